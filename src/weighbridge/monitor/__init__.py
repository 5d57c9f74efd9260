"""Monitor runs: an observer that shows a run's progress on a terminal, in a log, and elsewhere."""
