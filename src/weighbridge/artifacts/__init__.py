"""Artifacts: fetch pinned models, datasets and the official reference, and prove them byte by byte."""
