"""What can be said about a grader besides its grades: do its variables exist in the rows?"""
