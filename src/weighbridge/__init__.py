"""Weighbridge: from pinned artifacts to a checked MLPerf Inference submission."""

__version__ = "0.1.0"
