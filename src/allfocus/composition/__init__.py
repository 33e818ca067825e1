"""From a decision to the picture and its maps."""
