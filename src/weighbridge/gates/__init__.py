"""Gates: judge a scenario's performance and accuracy run by checks stricter than the official checker's."""

from weighbridge.gates.foreign_logs import judge_logs
from weighbridge.gates.judge import judge
from weighbridge.gates.verdict_table import render_verdict
from weighbridge.records.verdict import VERDICT, Check, Figures, Verdict, write_verdict

__all__ = [
    "VERDICT",
    "Check",
    "Figures",
    "Verdict",
    "judge",
    "judge_logs",
    "render_verdict",
    "write_verdict",
]
