"""The network that learns to solve the puzzles."""
