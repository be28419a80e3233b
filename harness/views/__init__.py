"""Views of one failure file or trace: a page, packets, tracks, a table. None of them judges."""
