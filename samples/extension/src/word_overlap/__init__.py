"""word_overlap for graders: a metric, and a lint rule about it."""
