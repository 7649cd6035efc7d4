"""One module per grader type: columns in, scores or calls out. Nothing here does I/O."""
