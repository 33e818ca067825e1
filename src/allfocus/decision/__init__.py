"""Which frame is in focus, pixel by pixel, and how sure that is."""
