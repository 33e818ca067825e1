"""The trained network as a file that runs without torch."""
