"""A submission tree, checked as a stranger would: by our own rules, and by the official tools."""

from weighbridge.checker.check import check_submission
from weighbridge.checker.report import CheckReport, Complaint, render_report

__all__ = ["CheckReport", "Complaint", "check_submission", "render_report"]
