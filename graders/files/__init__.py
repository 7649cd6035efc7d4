"""Files that a server keeps: whole on disk or not there, listed, counted, for their owner alone."""
