"""Submission: the tree, its system description, and its checker."""

from weighbridge.submission.assemble import assemble

__all__ = ["assemble"]
