"""From blocks of lines to result lines: executors and workers, outputs that survive, figures that merge."""
