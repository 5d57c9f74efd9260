"""Gates: judge a scenario's performance and accuracy run by checks stricter than the official checker's."""

from weighbridge.gates.closed_checks import Inputs
from weighbridge.gates.endpoints_event_checks import NEEDS_EVENTS
from weighbridge.gates.foreign_logs import judge_logs
from weighbridge.gates.judge import judge
from weighbridge.gates.record_checks import evidence_of
from weighbridge.gates.score_checks import NEEDS_ANSWERS
from weighbridge.gates.verdict_table import render_systems, render_verdict

__all__ = [
    "NEEDS_ANSWERS",
    "NEEDS_EVENTS",
    "Inputs",
    "evidence_of",
    "judge",
    "judge_logs",
    "render_systems",
    "render_verdict",
]
