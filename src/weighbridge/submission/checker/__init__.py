"""Checks of a submission tree: Weighbridge's own rules, and the official tools."""

from weighbridge.records.check_record import CheckReport, Complaint, render_report
from weighbridge.submission.checker.check_tree import check_submission

__all__ = ["CheckReport", "Complaint", "check_submission", "render_report"]
