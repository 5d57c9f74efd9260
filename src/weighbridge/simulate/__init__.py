"""A simulated model server whose latencies can be computed in advance, and that computation."""
