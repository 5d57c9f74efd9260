"""Every result file: its name and its model, for producers and readers alike."""
