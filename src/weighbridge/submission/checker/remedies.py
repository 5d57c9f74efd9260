"""What to do about each kind of complaint of the official tools."""

import re

_REMEDIES = (
    (
        r"required scenario|unknown scenario",
        "Offline and Server, so called, must both be there: assemble both.",
    ),
    (r"seed", "Repeat the run with the round's LoadGen: its seeds are compiled into it."),
    (
        r"accuracy.*not met|accuracy not",
        "The score is below the floor; the scenario's verdict says what to do.",
    ),
    (r"not truncated", "Assemble again: the log in the tree must be the truncated one."),
    (r"hash", "Assemble again: accuracy.txt needs one line hash=..., alone."),
    (r"early.stopping", "Too many queries were late: lower scenarios.server.target_qps and repeat the run."),
    (r"latency", "Lower scenarios.server.target_qps, or repeat with the user.conf that Weighbridge writes."),
    (r"duration", "Repeat the run with the user.conf that Weighbridge writes for the round."),
    (
        r"sample.?count|samples.per.query|query.?count|dataset",
        "Repeat the run with the round's whole dataset.",
    ),
    (r"measurements", "State the field under submission.measurements, and assemble."),
    (r"calibration", "Give submission.calibration, a Markdown file, and assemble."),
    (r"empty director", "Remove the folder, and assemble again."),
    (
        r"number_of_nodes|invalid literal",
        "Write whole numbers for number_of_nodes and accelerators_per_node.",
    ),
    (
        r"system_desc|system.*json|required field|required.*key|is_network|NoneType",
        "Complete the system description.",
    ),
    (r"user\.conf|README", "Assemble again: each scenario needs its user.conf and README.md."),
    (
        r"No module named|can't open file|No such file.*submission_checker",
        "Fetch the reference again: its tools are not complete.",
    ),
    (r"power", "Remove the power folder; no power was measured."),
    (r"error", "Read the errors in the run's detail log, mend their cause and repeat the run."),
)
_OTHERWISE = "Compare the file with docs/submission.md, mend its cause, and assemble again."


def remedy_for(said: str) -> str:
    """Find what to do about a complaint, by its words."""
    return next(
        (remedy for pattern, remedy in _REMEDIES if re.search(pattern, said, re.IGNORECASE)), _OTHERWISE
    )
