"""What can be said about a grader besides its grades: variables, hacks, changes, agreement."""
