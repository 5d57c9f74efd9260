"""The rate of the Offline run: where a search starts, and what a share of it is issued at.

A rate to issue is one of samples, also where the Offline result is one of tokens.
"""

from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError, InvalidRunError
from weighbridge.gates import judge
from weighbridge.gates.performance_figures import samples_per_s
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, RunRecord
from weighbridge.run.session import Setup


@dataclass(frozen=True)
class OfflineRate:
    """A rate of the Offline run.

    Attributes:
        qps: Samples/s.
        said: Where it comes from, in words.
    """

    qps: float
    said: str


def searched_from(path: Path) -> OfflineRate:
    """Return the rate at which the client completed an Offline run.

    Args:
        path: Its run.json.

    Raises:
        InputError: it completed nothing.
    """
    record = RunRecord.read(path)
    if record.load.aborted is not None:
        raise InputError(f"{path}: the Offline run was ended early ({record.load.aborted}); repeat it.")
    if record.load.achieved_qps <= 0:
        raise InputError(f"{path}: the Offline run completed nothing; there is no rate to start from.")
    return OfflineRate(record.load.achieved_qps, _said(record.load.achieved_qps, path))


def share_of_valid(path: Path, share: float, setup: Setup) -> OfflineRate:
    """Return a share of the rate that an Offline run proved, in samples/s, cut to four digits.

    Args:
        path: run.json of the performance run.
        share: Such as 0.8.
        setup: What is to be measured: the same system.

    Raises:
        InputError: it is none of an Offline performance run of this round, or one of its files is damaged.
        InvalidRunError: it was of another system, or failed a check, so that its rate proves nothing.
    """
    record, round_ = RunRecord.read(path), setup.round_
    scenario = round_.scenarios.get(record.scenario)
    ordinary = record.mode is Mode.PERFORMANCE and record.compliance_test is None
    of_round = record.round == round_.name and record.is_of(round_.benchmark, round_.category)
    if scenario is None or not scenario.offline or not of_round or not ordinary:
        raise InputError(f"{path}: is no performance run of an Offline scenario of round {round_.name}.")
    if record.pins.get("model") != setup.model.manifest_digest or (
        record.server.model_name != setup.server.model_name
    ):
        raise InvalidRunError(
            f"{path}: is a run of another model; repeat the Offline run, or give target_qps as a number."
        )
    verdict = judge(performance=path.parent, accuracy=None, evaluation=None, round_=round_, scenario=scenario)
    if verdict.failed:
        missed = "; ".join(check.wording for check in verdict.failed)
        raise InvalidRunError(
            f"{path}: no rate is taken from this Offline run, because it does not count ({missed}). "
            f"{verdict.failed[-1].remedy}"
        )
    proven = samples_per_s(read_detail(path.parent / DETAIL), scenario)
    if not proven:
        raise InvalidRunError(f"{path}: the Offline run has no rate; repeat it.")
    return OfflineRate(float(f"{share * proven:.4g}"), f"{share:g} x {_said(proven, path)}")


def _said(qps: float, path: Path) -> str:
    """Return a rate in words, with its run, and the tokens that it is made of, where they were counted."""
    run, detail = path.parent, path.parent / DETAIL
    said = f"{qps:.4g} samples/s of {run}"
    tokens = read_detail(detail).number("result_tokens_per_second") if detail.is_file() else None
    return f"{said} ({tokens:.6g} tokens/s over {tokens / qps:.4g} tokens a sample)" if tokens else said
