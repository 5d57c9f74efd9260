"""From runs to a submission tree: system description, tree, truncation, checks."""

from weighbridge.submission.assemble import assemble

__all__ = ["assemble"]
