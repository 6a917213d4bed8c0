"""The HTTP door: it parses, asks and answers; it holds no SQL, no thresholds and no geometry."""
