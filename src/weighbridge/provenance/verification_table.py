"""Render a verification for the terminal: every check, what to do, and what makes the result again."""

import json
from collections.abc import Iterator
from shlex import quote

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.core.formatting import value_text
from weighbridge.provenance.statement import GIT_COMMIT, Resource, Statement
from weighbridge.provenance.verification import Verification
from weighbridge.records.verdict import by_remedy

_MARK = {True: Text("ok", style="green"), False: Text("FAILED", style="bold red"), None: Text("not proven")}
_LONGEST_WORD = 20  # which a column takes whole; a path is broken in none


def render_verification(done: Verification) -> Group:
    """Render the checks as a table, then remedies, notes, the commands and pins, and the outcome."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Check", "Found", "Expected"):
        table.add_column(name, overflow="fold")
    table.add_column("", no_wrap=True)
    long = []
    for check in done.checks:
        name = f"{check.name} ({check.run})" if check.run else check.name
        found = value_text(check.value)
        if max(map(len, found.split()), default=0) > _LONGEST_WORD:
            long.append(f"{name}: {found}")
            found = "see below"
        row = map(_printable, (name, found, check.limit))
        table.add_row(*row, _MARK[check.passed])
    lines = [*long, *_remedies(done), *done.notes]
    if done.statement is not None:
        lines += ["", *_again(done.statement)]
    return Group(table, *map(_printable, lines), Text(), outcome_of_verification(done))


def _printable(text: str) -> Text:
    """Return a text as it is shown: what a stranger's tree says must not control the terminal."""
    return Text("".join(each if each.isprintable() else repr(each)[1:-1] for each in text))


def outcome_of_verification(done: Verification) -> Text:
    """Return the result in one line."""
    counts = [
        f"{len(checks)} {word}"
        for checks, word in ((done.failed, "failed"), (done.unknown, "not proven"))
        if checks
    ]
    outcome = done.outcome
    if outcome == "NOT VERIFIED":
        return Text(f"{outcome}: {', '.join(counts)}, of {len(done.checks)} checks.", style="bold red")
    passed = f"all {len(done.checks)} checks passed"
    if outcome == "VERIFIED":
        return Text(f"{outcome}: {passed}, and the signature is of the given key.", style="bold green")
    return Text(f"{outcome}: {passed}, and whose the attestation is was not checked.", style="bold yellow")


def _remedies(done: Verification) -> Iterator[str]:
    for word, checks in (("failed", done.failed), ("not proven", done.unknown)):
        for remedy, alike in by_remedy(checks).items():
            yield f"{', '.join(dict.fromkeys(check.name for check in alike))} {word}: {remedy}"


def _again(statement: Statement) -> Iterator[str]:
    """Yield the commands and pins with which a stranger makes the result again, on such a system."""
    yield "To measure it again, on a system like this one:"
    code = [each for name, each in statement.dependencies.items() if name.split(" of ")[0] == "code"]
    for each in code:
        yield f"    {_checkout(each)}"
    yield "    make setup"
    parameters = statement.predicate.build_definition.external_parameters
    yield from (f"    {command}" for command in map(_fetch, statement.dependencies.values()) if command)
    chosen = quote(f"round={statement.round_reference}")
    yield f"    .venv/bin/weighbridge submit --set {chosen}"
    for name, each in statement.dependencies.items():
        if each not in code:
            yield f"  {name}: {_pin(each)}"
    yield (
        "  The settings of server and requests are in each README.md of "
        f"{parameters.get('division')}/{parameters.get('submitter')}/results."
    )


def _checkout(code: Resource) -> str:
    annotations = code.annotations or {}
    if commit := (code.digest or {}).get(GIT_COMMIT):
        return f"git clone REPOSITORY weighbridge && cd weighbridge && git checkout {commit}"
    revision = annotations.get("revision")
    known = f"revision {revision}, with changes" if revision else f"release {annotations.get('version')}"
    return f"# the code is {known}: take it from src/ of the tree"


def _fetch(resource: Resource) -> str | None:
    """Return the command that fetches an artifact; None if it is none, or one without a repository."""
    facts = resource.annotations or {}
    pin = {"repo": facts.get("repository"), "revision": facts.get("revision")}
    if resource.name not in tuple(ArtifactKind) or None in pin.values():
        return None
    kind = resource.name
    return (
        f"weighbridge fetch --kind {kind} --artifact {quote(json.dumps(pin))} "
        f"--into resources/{kind} --proof resources/{kind}.json"
    )


def _pin(resource: Resource) -> str:
    facts = {**(resource.annotations or {}), **(resource.digest or {})}
    said = ", ".join(f"{name} {value}" for name, value in facts.items() if name != GIT_COMMIT)
    return said or resource.uri or "not known"
