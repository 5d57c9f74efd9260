"""A simulated model server whose every latency can be computed beforehand."""
