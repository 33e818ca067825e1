"""What a run needs of the machine: workers, scratch files, memory, progress, whole files."""
