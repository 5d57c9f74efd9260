"""TEST06 on integers: the tokens that a run reported first, in the end and by number agree.

The official script (compliance/TEST06/run_verification.py in mlcommons/inference @ b66003e1) compares first
tokens only as far as there are some. It takes the id 2 for the end of every model's answer, or the id that it
is given, but as a text, which equals no token. Here, first tokens must be there, and ids are the model's own.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.core.errors import InputError
from weighbridge.loadgen.logged_tokens import LoggedTokens, read_logged_tokens
from weighbridge.records.verdict import Check, Gate

VERIFICATION = "verify_accuracy.txt"
"""What the official script writes of a run, and the official checker reads."""
_FIRST, _END, _LENGTH = "First token check pass", "EOS check pass", "Sample length check pass"
_REPEAT = "The log was altered, or belongs to another run; repeat the compliance run."
_SERVER = "Use a server that reports an answer's token ids as it sends them, and repeat all runs."


def wrong_first(answers: Sequence[LoggedTokens]) -> int:
    """Return the number of answers that do not begin with the tokens reported first, or had none of these."""
    return sum(
        not len(each.first) or not np.array_equal(each.ids[: len(each.first)], each.first) for each in answers
    )


def wrong_end(answers: Sequence[LoggedTokens], eos_ids: Collection[int]) -> int:
    """Return the number of answers that end in more than one token of `eos_ids`, or are empty."""
    ends = list(eos_ids)
    return sum(not len(each.ids) or bool(np.isin(each.ids[-2:], ends).sum() > 1) for each in answers)


def wrong_length(answers: Sequence[LoggedTokens]) -> int:
    """Return the number of answers of another length than was reported."""
    return sum(len(each.ids) != each.count for each in answers)


def consistency_checks(
    run: str,
    log: Path,
    target: int,
    eos_ids: Collection[int] | str,
    scenario: ScenarioRules,
    *,
    foreign: bool = False,
) -> list[Check]:
    """Check the tokens that LoadGen logged.

    Args:
        run: Name of the run.
        log: Its accuracy log.
        target: How many answers it must hold.
        eos_ids: The ids that end an answer of the model; a text says why they are not known.
        scenario: The rules of the scenario; Offline, no first tokens are reported.
        foreign: Nothing shows that it is a log of this client's, whose ids have 32 bits.
    """
    gate = Gate(run)
    try:
        answers = read_logged_tokens(log, foreign=foreign)
    except InputError as error:
        gate.holds(
            "answers logged", "not readable", str(target), False if log.is_file() else None, str(error)
        )
        return gate.checks
    gate.equals("answers logged", len(answers), target, _REPEAT)
    gate.equals("queries logged", len({each.query for each in answers}), len(answers), _REPEAT)
    if not scenario.offline:
        _none(gate, "answers that differ from their first tokens", wrong_first(answers), _SERVER)
    if isinstance(eos_ids, str):
        gate.unknown("answers with more than one end", "0", eos_ids)
    else:
        _none(gate, "answers with more than one end", wrong_end(answers, eos_ids), _SERVER)
    _none(gate, "answers of another length than reported", wrong_length(answers), _SERVER)
    return gate.checks


def _none(gate: Gate, name: str, count: int, remedy: str) -> None:
    gate.equals(name, count, 0, remedy)


def verification_checks(run: str, folder: Path, scenario: ScenarioRules, round_: Round) -> list[Check]:
    """Check what the official script wrote of a run; where rules hold, its file is needed."""
    gate, path = Gate(run), folder / VERIFICATION
    name, limit = VERIFICATION, "every check passed"
    if path.is_file():
        faults = verification_faults(path.read_text(errors="replace"), scenario)
        remedy = "Read the checks of this run; `weighbridge verify-compliance` writes the file again."
        gate.holds(name, "; ".join(faults) or limit, limit, not faults, remedy)
    elif round_.held_to_rules:
        gate.unknown(name, limit, f"Write {path} with `weighbridge verify-compliance`.")
    return gate.checks


def verification_text(first: bool | None, end: bool, length: bool) -> str:
    """Return the official script's text; `first` is None where first tokens are not reported."""
    passed = first is not False and end and length
    return (
        f"{_FIRST}: {'Skipped' if first is None else first}\n"
        f"{_END}: {end}\n"
        f"{_LENGTH}: {length}\n"
        f"TEST06 verification {'complete' if passed else 'failed'}\n"
    )


def verification_faults(text: str, scenario: ScenarioRules) -> list[str]:
    """Return the lines that a passing run's text of the official script has and this one lacks."""
    wanted = verification_text(None if scenario.offline else True, end=True, length=True).splitlines()
    found = [line.strip() for line in text.splitlines()]
    return [f"no line '{line}'" for line in wanted if line not in found]
