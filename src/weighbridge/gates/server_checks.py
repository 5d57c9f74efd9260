"""Check that nothing of a run's servers changed the task: commands, environment, and what they report."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from weighbridge.config.closed_rules import ServerFeature
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Mode
from weighbridge.records.run_record import SERVER_LOG, RunRecord, ServerRecord
from weighbridge.records.verdict import Check, Gate
from weighbridge.serving.adapter import FeatureSwitch, ServerAdapter, TaskOptions
from weighbridge.serving.printed_arguments import union
from weighbridge.serving.server_environment import CODE_LOADING, CODE_OF_SHELLS
from weighbridge.serving.server_report import adapter_titled, unknown_options
from weighbridge.serving.spelling import option_set_by, variable_in_server

_NAME = "server arguments"
# Values with which a server reports that a feature is off.
_OFF = ("False", "None", "0", "0.0")


def server_checks(folder: Path, record: RunRecord, mode: Mode, round_: Round) -> list[Check]:
    """Check one run's servers; a round that fixes no part of the task makes no check.

    Args:
        folder: The run's folder; its server.log is read where run.json has no report of the server.
        record: Its run.json.
        mode: Its mode.
        round_: The round.
    """
    parts = round_.closed.server_must_not_change
    if not parts:
        return []
    gate, server = Gate(mode), record.server
    limit = f"none that changes {', '.join(parts)}"
    adapter = adapter_titled(server.kind)
    unknown_parts = [part for part in parts if adapter is None or part not in adapter.task_options]
    if adapter is None or unknown_parts:
        if round_.submittable:
            kind = server.kind or "a server of unknown kind"
            gate.unknown(
                _NAME,
                limit,
                f"What changes {', '.join(unknown_parts)} is not known of {kind}; install the package of its "
                "adapter, or use one that knows it (server.adapter).",
            )
        return gate.checks
    reported = reported_arguments_of(folder, record)
    fixed = [adapter.task_options[part] for part in parts]
    found = list(dict.fromkeys(_changes(server, reported, fixed, adapter, round_)))
    if found:
        source = round_.closed.sources.get("server_must_not_change")
        remedy = (
            f"The closed division forbids this{f' ({source})' if source else ''}; start the server without "
            "it and repeat both runs, or submit to the open division."
        )
        gate.holds(_NAME, "; ".join(found), limit, False, remedy)
    elif reported is not None:
        # Runs of earlier releases did not record what their servers inherited.
        recorded = "" if "inherited" in server.model_fields_set else ", inherited variables not recorded"
        unknown = unknown_options(adapter, reported)
        told = f", {len(unknown)} unknown to the adapter: {', '.join(unknown)}" if unknown else ""
        gate.holds(_NAME, f"{len(reported)} reported{recorded}{told}", limit, True, "")
    elif round_.submittable:
        gate.unknown(
            _NAME,
            limit,
            f"The server's own report of its arguments is missing; copy its log into {folder} as "
            f"{SERVER_LOG}, several as server-0.log, server-1.log, and for further runs name the logs in "
            "server.logs.",
        )
    return gate.checks


def reported_arguments_of(folder: Path, record: RunRecord) -> dict[str, str] | None:
    """Return what a run's servers reported, by its run.json or else by the logs in its folder.

    Runs of earlier releases have it only in their logs. None: it is not known.
    """
    adapter = adapter_titled(record.server.kind)
    if record.server.reported_arguments is not None or adapter is None:
        return record.server.reported_arguments
    return _in_logs(folder, adapter, len(record.server.endpoints))


def quantised_by(record: RunRecord) -> str | None:
    """Return the argument with which a run's server quantised the weights as it loaded them; None without."""
    adapter = adapter_titled(record.server.kind)
    if adapter is None:
        return None
    reported = (record.server.reported_arguments or {}).items()
    arguments = [
        *_arguments(record.server.command),
        *(f"{name}={value}" for name, value in reported if value not in _OFF),
    ]
    return next((each for each in arguments if option_set_by(each, adapter.quantising_options)), None)


def _in_logs(folder: Path, adapter: ServerAdapter, servers: int) -> dict[str, str] | None:
    """Return what servers reported in the logs of a run's folder, the union; None where one did not."""
    logs = sorted({*folder.glob(SERVER_LOG), *folder.glob("server-*.log")})
    try:
        reports = [adapter.reported_arguments(log.read_text(errors="replace")) for log in logs]
    except OSError:
        return None  # what cannot be read proves nothing
    known = [report for report in reports if report is not None]
    # Processes on further nodes of one server report nothing of their own.
    return union(known) if known and len(known) >= servers else None


def _changes(
    server: ServerRecord,
    reported: Mapping[str, str] | None,
    fixed: Sequence[TaskOptions],
    adapter: ServerAdapter,
    round_: Round,
) -> Iterator[str]:
    """Yield each argument and variable that changes the task or switches on what the round forbids."""
    forbidden = [adapter.switches[each] for each in round_.server_must_not if each in adapter.switches]
    options = [option for each in fixed for option in each.options]
    yield from (argument for argument in _arguments(server.command) if option_set_by(argument, options))
    pinned = round_.closed.model.revision if round_.closed.model else None
    for name, value in (reported or {}).items():
        if value == pinned:
            continue  # a server that fetches its model must be told the round's revision
        if any(_sets(name, value, option) for option in options) or (
            value not in _OFF and any(_turns_on(name, switch) for switch in forbidden)
        ):
            yield f"{name}={value} (reported)"
    if reported is not None and not server.command:
        yield from _left_on(server, reported, adapter, round_)
    known = {*CODE_LOADING, *CODE_OF_SHELLS, *(variable for each in fixed for variable in each.variables)}
    for environment, told in ((server.environment, ""), (server.inherited, " (inherited)")):
        changing = [name for switch in forbidden for name in switch.changed_in(environment)]
        for variable, value in environment.items():
            if variable_in_server(variable) in known or variable in changing:
                yield f"{variable}={value}{told}"


def _left_on(
    server: ServerRecord, reported: Mapping[str, str], adapter: ServerAdapter, round_: Round
) -> Iterator[str]:
    """Yield what the user's own servers have on by default and do not report as switched off."""
    for feature in round_.server_must_not:
        if feature is ServerFeature.PREFIX_CACHING and server.prefix_caching == "off":
            continue  # the running server itself says so
        switch = adapter.switches.get(feature)
        for argument in switch.arguments if switch else ():
            name = f"--{argument.partition('=')[0].removeprefix('--').removeprefix('no-')}"
            flag = name == argument
            if (reported.get(name) != "True") if flag else (reported.get(name, "default") not in _OFF):
                yield f"{feature} not switched off by {argument}"


def _arguments(command: Sequence[str]) -> Iterator[str]:
    """Yield a command's options, each as --name=value, also where the value is a word of its own."""
    for word, following in pairwise((*command, "-")):
        if word.startswith("-"):
            alone = "=" in word or following.startswith("-")
            yield word if alone else f"{word}={following}"


def _sets(name: str, value: str, option: str) -> bool:
    """Return whether a reported argument is an option; NAME=VALUE is the option with that value alone."""
    wanted, only, its_value = option.partition("=")
    return name == wanted and (not only or its_value.lower() in value.lower().split(" | "))


def _turns_on(name: str, switch: FeatureSwitch) -> bool:
    """Return whether a reported argument, if its value is not off, turns a forbidden feature on."""
    return name in switch.options and name not in switch.arguments
