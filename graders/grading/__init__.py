"""How a grade comes about: a chunk of rows in columns, what is asked and who answers, the texts seen."""
