"""The commands of histories: history, history prune."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from weighbridge.cli.printing import print_found
from weighbridge.records.history_entry import HistoryKind

if TYPE_CHECKING:
    from weighbridge.history.read_history import RecordedEntry

_NOTHING = (
    "no result is recorded here. `snakemake verdicts`, `snakemake sweep_NAME` and `snakemake quality` record "
    "theirs in history/ of the run directory; `weighbridge history add FILE` records a finished one."
)


class _ShowsByDefault(TyperGroup):
    """Takes `history runs/` for `history show runs/`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["show", *args])


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    group = typer.Typer(cls=_ShowsByDefault, rich_markup_mode=None)
    group.callback()(history)
    group.command()(show)
    group.command()(add)
    group.command()(prune)
    app.add_typer(group, name="history")


def history() -> None:
    """Show the results of all runs over time.

    Snakemake's jobs record each finished verdict, comparison and quality result in history/ of the run
    directory, and so do `weighbridge gate`, `sweep` and `score-mmlu` with --history.
    `weighbridge history runs/` is short for `weighbridge history show runs/`.
    """


Folders = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FOLDER",
        help="Run directories, or folders that hold some (themselves, or in runs/); default: this folder.",
    ),
]


def show(
    folders: Folders = None,
    kind: Annotated[HistoryKind | None, typer.Option(help="Only results of this kind.")] = None,
    name: Annotated[
        str | None, typer.Option(help="Only results of this scenario, sweep or quality benchmark.")
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="List the newest N results only; changes are sought in all."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print entries and newest changes as JSON, and nothing else.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write the list as a page too: index.html, with charts, and index.md."
        ),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="Exit code 4 if a newest result is slower than the one before it (slower:5%: rates, "
            "latencies, speed-ups) or worse (worse:1%: scores, in percentage points), unless that is noise; "
            "may be repeated.",
        ),
    ] = None,
) -> None:
    """Show results, trends with their noise, and what changed.

    A regression is a change for the worse that is larger than its noise: by both figures' intervals, or by
    repeats with the same system and settings. Without either it is listed as not known.
    """
    from weighbridge.core.change_limits import ChangeLimits
    from weighbridge.core.errors import InvalidRunError
    from weighbridge.history.fail_rules import judge_history
    from weighbridge.history.history_listing import listing_of
    from weighbridge.report.history_terminal import render_history

    limits = ChangeLimits.parse(fail_if or ())
    entries = [
        recorded
        for recorded in _entries(folders)
        if kind in (None, recorded.entry.kind) and name in (None, recorded.entry.name)
    ]
    if write is not None:
        from weighbridge.report.history_page import write_history

        write_history(entries, write)
    shown = entries if last is None else entries[-last:]
    if as_json or entries:
        listing = listing_of(shown, entries)
        print_found(listing, lambda: render_history(shown, entries), as_json=as_json, soft_wrap=True)
    else:
        typer.echo(f"{', '.join(map(str, folders or (Path(),)))}: {_NOTHING}")
    failure = judge_history(entries, limits).failure if fail_if else None
    if failure is not None:
        raise InvalidRunError(failure)


def add(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="verdict.json, comparison.json or overall.json, in its folder."),
    ],
    history: Annotated[Path, typer.Option(help="Folder to record them in.")] = Path("history"),
) -> None:
    """Record finished results, in the order in which they are named.

    For comparisons by `weighbridge bench`, and for results of earlier releases. What has an entry gets no
    second one.
    """
    from weighbridge.history.record import add_result

    for file in files:
        written = add_result(file, history)
        typer.echo(f"{file}: {f'recorded in {written}' if written else 'is recorded already'}")


def prune(
    keep: Annotated[
        int, typer.Option(min=1, metavar="N", help="Entries of each kind and name that stay, the newest.")
    ],
    folders: Folders = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask; needed where there is no terminal.")
    ] = False,
) -> None:
    """Remove old entries, after saying which.

    Of each run directory the newest N of each kind and name stay, and always the one that latest.json leads
    to. Results themselves are not touched.
    """
    import sys

    from weighbridge.core.errors import InputError
    from weighbridge.history.prune import prunable, remove_entries

    entries = _entries(folders)
    found = prunable(entries, keep)
    if not found:
        typer.echo(f"nothing to remove: no kind and name has more than {keep} entries that may go.")
        return
    for recorded in found:
        entry = recorded.entry
        typer.echo(f"{recorded.file}: {entry.kind} {entry.name}, recorded {entry.time:%Y-%m-%d %H:%M} UTC")
    typer.echo(f"Of {len(entries)} entries, {len(found)} will be removed; their results stay.")
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("nothing is removed: pass --yes where there is no terminal to answer on.")
        if not typer.confirm("Remove them?"):
            typer.echo("nothing is removed.")
            return
    typer.echo(f"removed: {remove_entries(found)}.")


def _entries(folders: Sequence[Path] | None) -> "tuple[RecordedEntry, ...]":
    from weighbridge.history.read_history import read_histories

    return read_histories(folders or [Path()])
