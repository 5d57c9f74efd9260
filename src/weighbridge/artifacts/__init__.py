"""Pinned inputs brought to disk and proven byte by byte: models, datasets, the official reference."""
