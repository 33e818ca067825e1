"""File formats: what a file is, whether it is whole, how it is read and written."""
