"""From blocks of lines to result lines: lanes and workers, outputs that survive, figures that merge."""
