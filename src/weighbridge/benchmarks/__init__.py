"""The benchmarks: one folder each, found by name; nothing outside a folder knows what it measures."""
