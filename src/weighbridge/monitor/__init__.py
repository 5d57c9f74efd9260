"""Watching a run: how it stands, shown where it runs and told to those who watch it from elsewhere."""
