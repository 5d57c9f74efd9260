"""The groups in which the program's help lists its commands, and the order of both."""

from typing import Any

import typer
from typer.core import TyperGroup

# What people need first stands first. Plumbing is what the workflow's rules call.
START, MEASURE, JUDGE, LOOK, PLUMBING = (
    "Start",
    "Measure",
    "Judge",
    "Look",
    "Plumbing, which the workflow calls",
)
GROUPS: dict[str, tuple[str, ...]] = {
    START: ("init", "doctor", "golden", "lock", "fetch-data", "system", "completion"),
    MEASURE: ("submit", "bench", "sweep", "sweep-mmlu", "cross-measure", "simulate"),
    JUDGE: ("gate", "compare", "check", "verify"),
    LOOK: ("watch", "summary", "report", "plan", "spent", "history", "export"),
    PLUMBING: (
        "fetch",
        "extract-prompt",
        "build-requests",
        "client-data",
        "count-tokens",
        "preflight",
        "find-server",
        "serve",
        "run",
        "search-qps",
        "adopt-peak",
        "client-accuracy",
        "evaluate",
        "verify-compliance",
        "measure-mmlu",
        "score-mmlu",
        "check-mmlu",
        "assemble",
        "crate",
        "attest",
        "predict",
    ),
}

_SHOWS_ALL = "weighbridge.cli.command_groups.shows_all"


class GroupedCommands(TyperGroup):
    """Lists its commands by group, each with its whole summary, and before the options."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return the names of all commands in the order of the groups."""
        named = [name for names in GROUPS.values() for name in names]
        return sorted(self.commands, key=lambda name: named.index(name) if name in named else len(named))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options, which few need."""
        everything = ctx.meta.get(_SHOWS_ALL, False)
        shown = {
            group: [name for name in names if name in self.commands]
            for group, names in GROUPS.items()
            if everything or group != PLUMBING
        }
        widest = max(len(name) for names in shown.values() for name in names)
        for group, names in shown.items():
            if names:
                with formatter.section(group):
                    formatter.write_dl(
                        [(name.ljust(widest), summary_of(self.commands[name])) for name in names]
                    )
        parameters = [each.get_help_record(ctx) for each in self.get_params(ctx)]
        with formatter.section("Options"):
            formatter.write_dl([record for record in parameters if record is not None])


def summary_of(command: Any) -> str:
    """Return the first paragraph of a command's help, which is one sentence."""
    return " ".join((command.help or "").partition("\n\n")[0].split())


def print_all_commands(context: typer.Context, wanted: bool) -> None:
    """Print the help with every command, and exit; the callback of the option `--help-all`."""
    if wanted:
        context.meta[_SHOWS_ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit


def examples(*calls: str) -> str:
    r"""Return calls as the epilog of a command's help; `\b` keeps their lines as they are."""
    return "\n".join(("\b", "Examples:" if len(calls) > 1 else "Example:", *(f"  {call}" for call in calls)))
