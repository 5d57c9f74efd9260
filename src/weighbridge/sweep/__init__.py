"""Systems x workloads x loads in blocks: sessions, cells, checks, statistics."""
