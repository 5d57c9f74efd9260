"""Whether a scenario's further run is worth its GPU time: not after a performance run that does not count."""

from pathlib import Path

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules
from weighbridge.core.errors import InvalidRunError
from weighbridge.gates.performance_checks import performance_checks
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.run_record import DETAIL, ERRORS_FILE, RUN_RECORD, RunRecord
from weighbridge.records.score import ACCURACY_TEXT


def refuse_after_missed(
    performance: Path, round_: Round, scenario: ScenarioRules, settings_sha256: str | None, run: str
) -> None:
    """Refuse a further run where the scenario's performance run, with the same settings, does not count.

    A run with other settings, one that is not there and one that records no settings say nothing.

    Args:
        performance: Folder of the performance run.
        round_: The rules.
        scenario: The scenario's.
        settings_sha256: Of the settings that the further run shares with it; None: not known.
        run: Name of the further run, such as accuracy.

    Raises:
        InvalidRunError: it had failed requests, or missed a check of performance.
        InputError: its record or log is damaged.
    """
    if settings_sha256 is None or not (performance / RUN_RECORD).is_file():
        return
    record = RunRecord.read(performance / RUN_RECORD)
    if record.settings_sha256 != settings_sha256:
        return
    checks = performance_checks(read_detail(performance / DETAIL), round_, scenario)
    missed = [check for check in checks if check.asked and not check.passed]
    said = [check.wording for check in missed]
    # The last has numbers: latencies come after what LoadGen says of them.
    remedy = missed[-1].remedy if missed else None
    if record.load.failures:
        said.insert(0, f"{record.load.failures} failed requests")
        remedy = f"Find the cause in {performance / ERRORS_FILE}, and repeat it."
    if said:
        made = ACCURACY_TEXT if run == Mode.ACCURACY else f"{run}/{RUN_RECORD}"
        raise InvalidRunError(
            f"the {run} run of {scenario.name} is not made, because its performance run does not count "
            f"({'; '.join(said)}). {remedy} `snakemake results/{scenario.name}/{made}` "
            "or `snakemake verdicts` makes it in any case."
        )
