"""Check the tokens of an accuracy run's answers: as LoadGen counted, as received, as long as their data."""

from collections import Counter
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import AnswerKind
from weighbridge.gates.request_rows import RequestRows
from weighbridge.gates.token_figures import FEWEST_TOKENS
from weighbridge.loadgen.logs import has_answers, read_answer_tokens
from weighbridge.records.run_record import ANSWERS
from weighbridge.records.verdict import Check, Gate

_ID_BYTES = 4  # of an int32
_COUNTED, _AS_LONG = "tokens of answers as received", "tokens of answers as long as their data"


def answer_token_checks(
    folder: Path, rows: RequestRows | None, kind: AnswerKind | None, round_: Round
) -> list[Check]:
    """Check each answer of an accuracy run; nothing in a round without token latencies.

    Args:
        folder: The run's.
        rows: Its requests.parquet; None: there is none.
        kind: What answers are; None: not known, so that the length of their data tells nothing.
        round_: The rules.
    """
    gate = Gate(Mode.ACCURACY)
    path = folder / ANSWERS
    if not round_.loadgen_rules.token_latencies or not has_answers(path):
        return gate.checks  # what is missing or truncated is told by other checks
    try:
        logged = read_answer_tokens(path)
    except InputError as error:
        gate.holds(_COUNTED, "not readable", "the tokens that the client recorded", False, str(error))
        return gate.checks
    remedy = f"{path} counts other tokens than this run received; restore it, or repeat the run."
    if rows is not None:
        tokens = rows.tokens.copy()
        tokens[~rows.completed] = FEWEST_TOKENS
        client = Counter(zip(rows.sample.tolist(), tokens.tolist(), strict=True))
        told = Counter((sample, count) for sample, _, count in logged)
        differing = sum((told - client).values()) + sum((client - told).values())
        gate.holds(
            _COUNTED, f"{differing} differ", "the tokens that the client recorded", differing == 0, remedy
        )
    if kind is AnswerKind.TOKENS:
        other = sum(size != _ID_BYTES * (count or 0) for _, size, count in logged)
        limit = f"{_ID_BYTES} bytes a token"
        gate.holds(_AS_LONG, f"{other} differ", limit, other == 0, remedy)
    return gate.checks
