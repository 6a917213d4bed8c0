"""What incidents mean: read, counted, coloured.  Pure: no file, clock, network, environment or chance."""
