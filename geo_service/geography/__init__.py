"""Where: coordinate systems, zones, the H3 grid.  Pure: no file, clock, network, environment or chance."""
