"""How a grade comes about: chunks graded in columns, blocks scored to bytes, figures tallied."""
