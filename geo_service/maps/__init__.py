"""How it is drawn: layers, tiles and the served picture.  Pure."""
