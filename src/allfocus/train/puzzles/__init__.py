"""The training data: photos turned into puzzles whose solution is known."""
