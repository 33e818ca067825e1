"""The ground floor: values and geometry. Knows no files, no threads and no models."""
