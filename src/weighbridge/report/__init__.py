"""The report: one page that shows a results folder, with its figures, and needs nothing beside it."""

from weighbridge.report.write_report import write_report

__all__ = ["write_report"]
