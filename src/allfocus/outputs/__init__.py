"""What goes into which file."""
