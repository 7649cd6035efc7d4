"""Graders in other programs' shapes; each module needs the program it is for."""
