"""Complete and check the user's settings with a round's rules."""

from pathlib import Path

from weighbridge.config.compliance_rules import KNOWN_TESTS
from weighbridge.config.official_client_settings import check_official_client
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode, ScenarioRules, performance_run
from weighbridge.config.settings import Settings
from weighbridge.config.target_rate import AUTO, share_of_offline
from weighbridge.core.errors import InputError


def requests_of_round(settings: RequestSettings, round_: Round) -> RequestSettings:
    """Return the request settings with the round's sampling parameters where they set none of their own.

    Whether they may is `weighbridge.config.closed_settings.request_deviations`'s to say.
    """
    sampling = round_.completed_sampling(settings.sampling)
    sampling = sampling.model_copy(update={"max_tokens": sampling.max_tokens or round_.max_tokens})
    return settings.model_copy(update={"sampling": sampling})


def without_search(settings: Settings, round_: Round) -> Settings:
    """Return the settings with shares of the Offline rate in place of searches, where runs are too short.

    The share is the one at which a search would start.
    """
    if round_.loadgen is None or round_.loadgen.early_stopping:
        return settings
    share = share_of_offline(settings.search.start)
    scenarios = {
        name: each.model_copy(update={"target_qps": share}) if each.target_qps == AUTO else each
        for name, each in settings.scenarios.items()
    }
    return settings.model_copy(update={"scenarios": scenarios})


def check_against_round(settings: Settings, round_: Round) -> None:
    """Check that the settings contain what the round needs.

    Raises:
        InputError: a scenario that the round needs has no settings, target_qps is no number in a scenario
            without a schedule, the datasets are not those of the planned scenarios, the round pins a prompt
            and no artifact provides one, or it has what this release cannot measure.
    """
    _check_measurable(round_)
    _check_scenarios(settings, round_)
    if round_.evidence == "endpoints":
        check_official_client(settings, round_)
    _check_rates(settings, round_)
    _check_datasets(settings, round_)
    artifacts = settings.artifacts
    source = "client" if round_.evidence == "endpoints" else "reference"
    if round_.prompt and artifacts.prompt is None and getattr(artifacts, source) is None:
        raise InputError(
            f"configuration: 'artifacts': set '{source}', which contains the official prompt, or 'prompt', "
            "the path of a prompt file."
        )


def check_statements(settings: Settings, root: Path) -> None:
    """Check that the files of the submission exist: they are read only after all runs.

    Args:
        settings: All settings.
        root: The project's root, where relative paths start.

    Raises:
        InputError: a file is missing.
    """
    for name in ("system_description", "calibration"):
        path = getattr(settings.submission, name)
        if path is not None and not (root / path).is_file():
            raise InputError(f"submission.{name}: there is no file {path}; write it, or remove the setting.")


def planned_scenarios(settings: Settings, round_: Round) -> dict[str, ScenarioRules]:
    """Return the scenarios of the round that are to be measured: those that have settings, by name."""
    return {name: rules for name, rules in round_.scenarios.items() if name in settings.scenarios}


def planned_datasets(settings: Settings, round_: Round) -> tuple[str, ...]:
    """Return the further datasets that planned scenarios use, in the order of the round's scenarios."""
    planned = planned_scenarios(settings, round_).values()
    return tuple(dict.fromkeys(rules.dataset for rules in planned if rules.dataset is not None))


def planned_runs(settings: Settings, scenario: ScenarioRules) -> list[str]:
    """Return the names of a planned scenario's runs: performance as often as is asked, others once."""
    wanted = settings.scenarios[scenario.name].performance_runs
    repeated = [performance_run(number) for number in range(1, wanted + 1)]
    return [*repeated, *(name for name in scenario.runs if name != Mode.PERFORMANCE)]


def _check_scenarios(settings: Settings, round_: Round) -> None:
    """Check that all scenarios that the round needs have settings."""
    planned = planned_scenarios(settings, round_)
    for name, rules in round_.scenarios.items():
        if rules.required and name not in planned:
            raise InputError(
                f"configuration: 'scenarios.{name}' is missing, but round {round_.name} has this scenario; "
                "add its target_qps."
            )
    group = [name for name, rules in round_.scenarios.items() if rules.folder in round_.one_of]
    if not planned or (group and not set(group) & set(planned)):
        raise InputError(
            f"configuration: 'scenarios' has none of {', '.join(group or round_.scenarios)}, but round "
            f"{round_.name} needs one; add its target_qps."
        )


def _check_rates(settings: Settings, round_: Round) -> None:
    """Check that a rate which follows from the Offline run's is a Server's, and that there is such a run."""
    planned = planned_scenarios(settings, round_)
    for name, rules in planned.items():
        stated = settings.scenarios[name].target_qps
        if not isinstance(stated, str):
            continue
        place = f"configuration: 'scenarios.{name}.target_qps' is '{stated}', but"
        if not rules.has_schedule:
            raise InputError(
                f"{place} only the issue rate of a Server scenario can be "
                f"{'searched for' if stated == AUTO else 'a share of the Offline rate'}; set a number."
            )
        if not any(each.offline for each in planned.values()):
            raise InputError(
                f"{place} no Offline scenario is measured in round {round_.name}, whose rate it starts from; "
                "set a number."
            )


def _check_datasets(settings: Settings, round_: Round) -> None:
    """Check that the settings have the further datasets of the planned scenarios, and no others."""
    given, users = settings.artifacts.further_datasets, _users_of_datasets(settings, round_)
    for name, scenarios in users.items():
        if name not in given:
            raise InputError(
                f"configuration: 'artifacts.further_datasets.{name}' is missing, but "
                f"{' and '.join(scenarios)} of round {round_.name} {_uses(scenarios)} this dataset; add its "
                "repo and revision, or its path, or remove the settings of the scenario."
            )
    for name in given:
        if name not in users:
            said = (
                f"configuration: 'artifacts.further_datasets.{name}' is used by no planned scenario of round"
            )
            raise InputError(
                f"{said} {round_.name}; remove it, or add the settings of a scenario that uses it."
            )


def _users_of_datasets(settings: Settings, round_: Round) -> dict[str, list[str]]:
    """Return the names of the planned scenarios that use each further dataset."""
    planned = planned_scenarios(settings, round_)
    return {
        dataset: [name for name, rules in planned.items() if rules.dataset == dataset]
        for dataset in planned_datasets(settings, round_)
    }


def _uses(names: list[str]) -> str:
    return "uses" if len(names) == 1 else "use"


def _check_measurable(round_: Round) -> None:
    """Check that this release can measure everything that the round requires."""
    for scenario in round_.scenarios.values():
        for name, test in scenario.compliance_runs.items():
            said = f"round {round_.name}: the run {scenario.name}/{name} is the compliance test {test}, which"
            if round_.evidence == "endpoints":
                raise InputError(f"{said} only LoadGen makes; choose a round without it.")
            if test not in KNOWN_TESTS:
                raise InputError(f"{said} this release cannot run; choose a round without it.")
            if test not in round_.compliance_tests:
                raise InputError(f"{said} cannot run without settings; add compliance_tests.{test}.audit.")
