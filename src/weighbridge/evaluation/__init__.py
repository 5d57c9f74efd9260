"""Score an accuracy run's answers: scores, confidence intervals and error analysis."""
