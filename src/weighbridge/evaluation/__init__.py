"""From an accuracy run's answers to scores, intervals and an analysis of the errors."""
