"""Whether a scenario's further run is worth its GPU time: not after a performance run that does not count."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.gates.repeated_runs import failures_allowed
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, ERRORS_FILE, RUN_RECORD, RunRecord
from weighbridge.records.score import ACCURACY_TEXT


def not_worth_making(
    performances: Sequence[Path],
    round_: Round,
    scenario: ScenarioRules,
    settings_sha256: str | None,
    run: str,
    *,
    of_runs: int = 1,
) -> str | None:
    """Return why a further run is not worth its time: performance runs do not count, and so the median one.

    A run with other settings, one that is not there and one that records no settings say nothing.

    Args:
        performances: Folders of the performance runs that may be there.
        round_: The rules.
        scenario: The scenario's.
        settings_sha256: Of the settings that the further run shares with them; None: not known.
        run: Name of the further run, such as accuracy.
        of_runs: Number of the scenario's performance runs in all.

    Returns:
        A sentence without its full stop; None: enough of them count, or nothing is known of them.

    Raises:
        InputError: a record or log is damaged.
    """
    faults = [_fault_of(folder, round_, scenario, settings_sha256) for folder in performances]
    found = [fault for fault in faults if fault is not None]
    if len(found) <= failures_allowed(of_runs):
        return None
    last = found[-1]
    reason = f"its performance run does not count ({last.sentence})"
    if of_runs > 1:
        count = f"{len(found)} of its {of_runs} performance runs do"
        reason = f"{count} not count, so that the median one does not ({last.folder.name}: {last.sentence})"
    made = ACCURACY_TEXT if run == Mode.ACCURACY else f"{run}/{RUN_RECORD}"
    return (
        f"The {run} run of {scenario.name} is not made, because {reason}. {last.remedy} "
        f"`snakemake results/{scenario.name}/{made}` makes it in any case"
    )


@dataclass(frozen=True)
class _Fault:
    """Why a performance run does not count."""

    folder: Path
    sentence: str
    remedy: str | None


def _fault_of(
    performance: Path, round_: Round, scenario: ScenarioRules, settings_sha256: str | None
) -> _Fault | None:
    if settings_sha256 is None or not (performance / RUN_RECORD).is_file():
        return None
    record = RunRecord.read(performance / RUN_RECORD)
    if record.settings_sha256 != settings_sha256:
        return None
    if record.load.aborted is not None:  # its log has no result
        lost = record.load.lost
        return _Fault(
            performance, record.load.aborted, lost.remedy if lost else "Fix the cause and repeat it."
        )
    checks = performance_checks(read_detail(performance / DETAIL), round_, scenario)
    missed = [check for check in checks if check.asked and not check.passed]
    said = [check.wording for check in missed]
    # The last has numbers: latencies come after what LoadGen says of them.
    remedy = missed[-1].remedy if missed else None
    if record.load.failures:
        said.insert(0, f"{record.load.failures} failed requests")
        remedy = f"Find the cause in {performance / ERRORS_FILE}, and repeat it."
    return _Fault(performance, "; ".join(said), remedy) if said else None
