"""Other harnesses on the same rows with the same four scores, each in its own environment."""
