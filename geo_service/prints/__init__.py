"""What is printed: tables, charts, maps and the bulletin.  Pure: values in, HTML, SVG or the bytes of a file out."""
