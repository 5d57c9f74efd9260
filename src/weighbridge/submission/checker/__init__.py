"""A submission tree, checked as a stranger would: by our own rules, and by the official tools."""

from weighbridge.records.check_record import CheckReport, Complaint, render_report
from weighbridge.submission.checker.check_tree import check_submission

__all__ = ["CheckReport", "Complaint", "check_submission", "render_report"]
