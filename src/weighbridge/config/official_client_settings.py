"""Check the settings of a round that the official endpoints client measures: what it cannot do is refused."""

from collections.abc import Iterator

from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round import Round
from weighbridge.config.settings import Settings
from weighbridge.core.errors import InputError


def check_official_client(settings: Settings, round_: Round) -> None:
    """Check that the settings name an accepted client, and ask nothing of it that it cannot do.

    Raises:
        InputError: `artifacts.client` is missing or another commit, or a setting is one of LoadGen runs only.
    """
    for complaint in _complaints(settings, round_):
        raise InputError(f"configuration: {complaint}")


def _complaints(settings: Settings, round_: Round) -> Iterator[str]:
    made = f"round {round_.name} is measured by the official endpoints client"
    commits, client = round_.endpoints_rules.commits, settings.artifacts.client
    if client is None:
        yield (
            f"'artifacts.client' is missing, but {made}; without internet set its 'path' to a checkout too, "
            f"and in any case its 'repo' and 'revision': {commits[0]}."
        )
    elif client.revision not in commits:
        yield (
            f"'artifacts.client.revision' is {client.revision}, but round {round_.name} accepts results of "
            f"{' or '.join(commits)} only; set it to that."
        )
    if settings.requests.bodies != RequestSettings():
        yield f"'requests' changes request bodies, but {made}, which builds its own; remove all but 'cache'."
    if settings.stop_when_lost:
        yield f"'stop_when_lost' is true, but {made}, which is not ended early; remove it."
    yield from _presets(round_)
    for name in settings.scenarios:
        if name not in round_.scenarios:
            continue
        asked, place = settings.scenarios[name], f"'scenarios.{name}"
        if isinstance(asked.target_qps, str):
            yield f"{place}.target_qps' is '{asked.target_qps}', but {made}; set a number."
        if asked.user_conf is not None:
            yield f"{place}.user_conf' is a file for LoadGen, but {made}; remove it, and set 'target_qps'."
        if asked.performance_runs > 1:
            yield (
                f"{place}.performance_runs' is {asked.performance_runs}, but {made}, which measures once and "
                "then scores; remove it, and repeat the workflow in other run directories."
            )


def _presets(round_: Round) -> Iterator[str]:
    """Complain where scenarios with one dataset read it differently: its rows are made once."""
    seen: dict[str | None, str] = {}
    for name, rules in round_.scenarios.items():
        assert rules.endpoints is not None  # as the round has checked
        preset = rules.endpoints.dataset
        if seen.setdefault(rules.dataset, preset) != preset:
            yield (
                f"scenario {name} of round {round_.name} has the preset {preset}, but another scenario "
                f"with the same dataset has {seen[rules.dataset]}; choose a round with one for both."
            )
