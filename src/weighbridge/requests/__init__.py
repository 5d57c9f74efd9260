"""Request bodies: encoded once, before any clock runs, and mapped by every worker."""
