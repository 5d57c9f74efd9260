"""The report's figures: each a pure function from data to a matplotlib Figure."""
