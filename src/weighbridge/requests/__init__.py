"""Request bodies: encoded once before a run, stored in one file, and memory-mapped by every worker."""
