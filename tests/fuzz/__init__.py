"""Fuzzed files of every format, and of every file beside pictures: `make fuzz`."""
