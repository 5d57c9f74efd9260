"""Write the reference pages: settings and result files by their models, options by the program's parser.

They are made whenever the site is built, so they cannot differ from the release that they are of.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import click
import typer

from weighbridge import cli
from weighbridge.artifacts.proof import Proof
from weighbridge.client.request_log import RECORD_TYPE
from weighbridge.config.settings import Settings
from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.config.workload import Workload
from weighbridge.core.models import Model
from weighbridge.history.history_listing import HistoryListing
from weighbridge.records.asked_system import AskedSystem
from weighbridge.records.check_record import CheckReport
from weighbridge.records.comparison import SweepComparison
from weighbridge.records.cross_measurement import CrossMeasurement
from weighbridge.records.history_entry import HistoryEntry
from weighbridge.records.progress_record import State
from weighbridge.records.quality_answers import MeasuredQuality, SubjectAnswers
from weighbridge.records.quality_scores import SAMPLE_COLUMNS, ByDomain, BySubject, OverallQuality
from weighbridge.records.run_record import RunRecord
from weighbridge.records.score import Evaluation
from weighbridge.records.search_record import Peak, Probe
from weighbridge.records.server_life import ServerLife
from weighbridge.records.slo_capacity import SloCapacities
from weighbridge.records.sweep_change import SweepChange
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.records.sweep_run import CellRecord
from weighbridge.records.telemetry_record import Metric
from weighbridge.records.verdict import Verdict
from weighbridge.records.workload_manifest import WorkloadManifest
from weighbridge.report.compare_runs import Comparison
from weighbridge.report.spent_time import SpentTime
from weighbridge.report.summary import Summary
from weighbridge.run.preflight import Preflight
from weighbridge.serving.program import ServerProgram

Schema = Mapping[str, Any]

# Result files by their place in a run directory: what reads them, and what they are for.
FILES: dict[str, tuple[type[Model], str]] = {
    "results/summary.json": (
        Summary,
        "For programs: rates, latencies, scores and verdicts of all scenarios.",
    ),
    "results/{scenario}/verdict.json": (
        Verdict,
        "Every check of a scenario with value, limit and remedy, and its figures.",
    ),
    "results/{scenario}/{run}/run.json": (RunRecord, "The complete record of one run."),
    "results/{scenario}/{run}/progress.json": (
        State,
        "The state of a run that lasts, which `weighbridge watch` reads.",
    ),
    "results/{scenario}/accuracy.json": (
        Evaluation,
        "The scores of the accuracy run, with intervals and their parts.",
    ),
    "results/{scenario}/peak.json": (Peak, "The result of a search for the highest rate."),
    "results/{scenario}/peak/.../probe.json": (Probe, "One short run of a search."),
    "results/check.json": (
        CheckReport,
        "What our rules and the official checkers say of the submission tree.",
    ),
    "results/lives/.../life.json": (
        ServerLife,
        "The life of a started server: its start, its uses, its end.",
    ),
    "resources/{artifact}.json": (
        Proof,
        "The proof of an artifact: its folder, revision, and every file's hash.",
    ),
    "resources/preflight.json": (Preflight, "What was found before anything started."),
    "resources/server.json": (ServerProgram, "The program of the model server, and its version."),
    ".../cross-measurement.json": (
        CrossMeasurement,
        "The latencies that the official client and ours measured of the same queries, from `weighbridge "
        "cross-measure`.",
    ),
    "results/sweeps/NAME/comparison.json": (
        SweepComparison,
        "The comparison of a sweep or of `weighbridge bench`.",
    ),
    "results/sweeps/NAME/plan.json": (SweepPlan, "What a sweep runs, in which order."),
    "results/sweeps/NAME/.../run.json": (CellRecord, "One run of a sweep."),
    "results/sweeps/NAME/.../slo_capacity.json": (
        SloCapacities,
        "The highest loads at which latency limits are met.",
    ),
    "results/sweeps/NAME/workloads/.../manifest.json": (
        WorkloadManifest,
        "What a workload drew, and the requests made of it.",
    ),
    "results/sweeps/NAME/quality/SYSTEM/asked.json": (
        AskedSystem,
        "That a system has answered the questions.",
    ),
    "results/quality/mmlu/measured.json": (
        MeasuredQuality,
        "What was asked of whom, with the hashes of the answers.",
    ),
    "results/quality/mmlu/answers/SUBJECT.json": (SubjectAnswers, "The answers to one subject's questions."),
    "results/quality/mmlu/overall.json": (
        OverallQuality,
        "The accuracy over all questions, with its interval.",
    ),
    "results/quality/mmlu/by_domain.json": (ByDomain, "The accuracy by domain."),
    "results/quality/mmlu/by_subject.json": (BySubject, "The accuracy by subject."),
    "history/*.json": (HistoryEntry, "One result as recorded in the history."),
    "weighbridge history --json": (HistoryListing, "The history's table, trends and changes."),
    "weighbridge compare --output": (
        Comparison,
        "Several runs beside each other and beside the published results.",
    ),
    "weighbridge compare OLD NEW --json": (SweepChange, "What has changed from an old sweep to a new one."),
    "weighbridge spent --output": (SpentTime, "Where the time of the servers went."),
}

# The columns of requests.parquet; the build fails if the client writes others.
COLUMNS = {
    "sample": "Index of the sample in the dataset.",
    "payload_bytes": "Size of the request's body.",
    "received_bytes": "Size of all that was received.",
    "tokens": "Output tokens, as the server counts them; -1: it did not say.",
    "status": "HTTP status; 0: there was none.",
    "outcome": "ok, or the kind of the failure.",
    "worker": "Number of the client's process.",
    "endpoint": "Number of the server that was asked, from 0.",
    "prompt_tokens": "Tokens of the prompt, as the server counts them; -1: it did not say.",
    "finish": "Why the answer ended, as the server says.",
    "id_echoed": "Whether the answer carried the request's own id.",
    "planned_ns": "When the request was due.",
    "sent_ns": "When its last byte was sent.",
    "first_ns": "When the first token arrived, of streamed answers.",
    "last_ns": "When the last token arrived, of streamed answers.",
    "end_ns": "When the answer was complete.",
    "first_byte_ns": "When the first byte of the response arrived.",
    "cached_tokens": "Prompt tokens that the server took from its cache; -1: it did not say.",
    "chunks": "Number of the stream's events that carried text.",
}


@dataclass
class Tables:
    """Tables of a schema's keys; each object has one section, to which later uses link."""

    definitions: Schema
    sections: dict[str, str] = field(default_factory=dict)
    """Anchor of each object that has a section, by its name."""

    def section(self, schema: Schema, path: str, level: int) -> Iterator[str]:
        """Yield the lines of an object's table, then those of the objects inside it."""
        required = set(schema.get("required", ()))
        inner: list[tuple[str, str]] = []
        yield from ("| key | type | default | meaning |", "| --- | --- | --- | --- |")
        for key, value in schema.get("properties", {}).items():
            place = f"{path}.{key}" if path else key
            text = value.get("description") or self._described(value)
            kind = self._kind(value, place, inner)
            default = "**required**" if key in required else _default(value)
            yield f"| `{key}` | {kind} | {default} | {_cell(text)} |"
        yield ""
        for name, place in inner:
            yield f"{'#' * level} `{place}` {{#{self.sections[name]}}}"
            yield ""
            if text := self.definitions[name].get("description"):
                yield from (_prose(text), "")
            yield from self.section(self.definitions[name], place, level + (level < 6))

    def _described(self, value: Schema) -> str:
        names = {part["$ref"].split("/")[-1] for part in (value, *value.get("anyOf", ())) if "$ref" in part}
        return next((str(self.definitions[name].get("description", "")) for name in sorted(names)), "")

    def _kind(self, value: Schema, place: str, inner: list[tuple[str, str]]) -> str:
        """Return a value's type in words; an object with keys of its own becomes a section."""
        if "$ref" in value:
            name = value["$ref"].split("/")[-1]
            definition = self.definitions[name]
            if "properties" not in definition:
                return self._kind(definition, place, inner)
            if name not in self.sections:
                self.sections[name] = _anchor(f"{place}-{name}")
                inner.append((name, place))
            return f"[object](#{self.sections[name]})"
        if "anyOf" in value or "oneOf" in value:
            kinds = [self._kind(each, place, inner) for each in value.get("anyOf", value.get("oneOf"))]
            return " or ".join(dict.fromkeys(kinds))
        if "enum" in value:
            return " or ".join(f"`{each}`" for each in value["enum"])
        if "const" in value:
            return f"`{value['const']}`"
        if "prefixItems" in value:
            return "list of " + ", ".join(self._kind(each, place, inner) for each in value["prefixItems"])
        if value.get("type") == "array":
            return "list of " + self._kind(value.get("items", {}), f"{place}[]", inner)
        if value.get("type") == "object":
            values = value.get("additionalProperties") or next(
                iter(value.get("patternProperties", {}).values()), {}
            )
            return "map to " + self._kind(values if isinstance(values, dict) else {}, f"{place}.NAME", inner)
        return {"integer": "whole number", "boolean": "true or false", "string": "text", "null": "null"}.get(
            str(value.get("type")), str(value.get("type", "any value"))
        ) + _range(value)


def _range(value: Schema) -> str:
    lowest, above = value.get("minimum"), value.get("exclusiveMinimum")
    highest, below = value.get("maximum"), value.get("exclusiveMaximum")
    bounds = {">=": lowest, ">": above, "<=": highest, "<": below}
    written = [
        f"{sign} {bound:g}" for sign, bound in bounds.items() if bound is not None and abs(bound) < 1e6
    ]
    return f" {', '.join(written)}" if written else ""


def _default(value: Schema) -> str:
    default = value.get("default")
    if "default" not in value or isinstance(default, dict):
        return ""
    text = (
        {None: "null", True: "true", False: "false"}.get(default)
        if not isinstance(default, list | str)
        else None
    )
    return f"`{text or default}`" if default != "" else "empty"


def _cell(text: str) -> str:
    return _prose(text).replace("|", "\\|")


def _prose(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("<", "&lt;").replace("{", "&#123;")


def settings_page(model: type[Model], title: str, opening: str) -> str:
    """Return the page of all keys of a file that a user writes."""
    schema = model.model_json_schema()
    lines = [f"# {title}", "", opening, "", "## Keys at the top", ""]
    return "\n".join([*lines, *Tables(schema.get("$defs", {})).section(schema, "", 2)])


def files_page() -> str:
    """Return the page of all result files and their fields."""
    unknown = set(RECORD_TYPE.names or ()) - {"id"} ^ COLUMNS.keys()
    if unknown:
        raise ValueError(
            f"docs/reference_pages.py: describe the columns {sorted(unknown)} of requests.parquet."
        )
    lines = [
        "# Result files",
        "",
        "What a run directory holds, with every field. All files are JSON unless their names say "
        "otherwise; times in `_ns` are of the monotonic clock, and shares run from 0 to 1. `{scenario}` is a "
        "name such as `offline` or `server`, `{run}` is `performance` or `accuracy`.",
        "",
        "| file | what it is |",
        "| --- | --- |",
        *(f"| [`{path}`](#{_anchor(path)}) | {text} |" for path, (_, text) in FILES.items()),
        "| [`requests.parquet`](#requestsparquet) | Every request of a run. |",
        "| [`telemetry.parquet`](#telemetryparquet) | Servers, GPUs and the machine during a run. |",
        "| [`samples.csv`](#samplescsv) | Every question of MMLU with its answer. |",
        "| `errors.jsonl` | The failed requests of a run, a line each. |",
        "| `sampled_answers.jsonl` | A random share of a performance run's answers. |",
        "| `mlperf_log_*.txt`, `mlperf_log_accuracy.json`, `user.conf` | LoadGen's own files, unchanged. |",
        "| `results/{scenario}/accuracy.txt` | The score as the official checker reads it. |",
        "| `results/report.html` | The report: one page that opens without a network. |",
        "| `results/submission.tar.gz`, `.sha256` | The submission tree, packed, and its hash. |",
        "",
    ]
    tables = Tables({})
    for path, (model, text) in FILES.items():
        schema = model.model_json_schema(mode="serialization")
        tables.definitions = {**tables.definitions, **schema.get("$defs", {})}
        lines += [f"## `{path}` {{#{_anchor(path)}}}", "", text, "", *tables.section(schema, "", 3)]
    lines += [
        "## `requests.parquet` {#requestsparquet}",
        "",
        "A row for each request of a run, in the order of completion; 0: never.",
        "",
        "| column | meaning |",
        "| --- | --- |",
        *(f"| `{name}` | {text} |" for name, text in COLUMNS.items()),
        "",
        "## `telemetry.parquet` {#telemetryparquet}",
        "",
        "A row for each value: `time_ns` (the clock of `requests.parquet`), `source` (such as `server 0` or "
        "`host`), `metric` and `value`. The metrics:",
        "",
        ", ".join(f"`{metric}`" for metric in Metric) + ".",
        "",
        "## `samples.csv` {#samplescsv}",
        "",
        "The columns: " + ", ".join(f"`{name}`" for name in SAMPLE_COLUMNS) + ".",
        "",
    ]
    return "\n".join(lines)


def _anchor(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")


def with_options(page: str) -> str:
    """Return the page of commands with a table of all options below each command's section."""
    group = typer.main.get_group(cli.app)
    context = click.Context(group, info_name="weighbridge")
    parts = re.split(r"^(?=#{2,3} )", page, flags=re.MULTILINE)
    for number, part in enumerate(parts):
        name = re.match(r"### (\S+)\n", part)
        command = group.get_command(context, name[1]) if name else None
        if name and command is None:
            raise ValueError(f"docs/commands.md: there is no command {name[1]}.")
        if command is not None:
            parts[number] = part.rstrip("\n") + "\n\n" + "\n".join(_options(command, context)) + "\n\n"
    return "".join(parts)


def _options(command: click.Command, above: click.Context) -> Iterable[str]:
    context = click.Context(command, info_name=command.name, parent=above)
    yield from (f"All options: `{command.get_usage(context).removeprefix('Usage: ')}`", "")
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    if records:
        yield from ("| option | meaning |", "| --- | --- |")
        yield from (f"| `{left}` | {_cell(right)} |" for left, right in records)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                yield from ("", f"#### {command.name} {name}", "", _prose(below.get_short_help_str(200)), "")
                yield from _options(below, context)


SCHEMAS = "src/weighbridge/schemas"
# Name of each generated page: what writes it, and the files in whose place it stands.
GENERATED: dict[str, tuple[Callable[[], str], tuple[str, ...]]] = {
    "settings.md": (
        lambda: settings_page(
            Settings,
            "Settings: config.yaml",
            "Every key of `config.yaml`, of a file given as `--configfile`, and of `--config KEY=VALUE`. An "
            "unknown key is an error, never ignored. The file in the project's folder has those that most "
            "users change.",
        ),
        (f"{SCHEMAS}/config.schema.json",),
    ),
    "sweep-settings.md": (
        lambda: settings_page(
            SweepSettings,
            "Settings: the file of a sweep",
            "Every key of `sweeps/NAME.yaml`, for `snakemake sweep_NAME` and `weighbridge sweep`.",
        ),
        (f"{SCHEMAS}/sweep.schema.json",),
    ),
    "workload-settings.md": (
        lambda: settings_page(
            Workload, "Settings: a workload", "Every key of a workload, in a file of its own or in a sweep's."
        ),
        (f"{SCHEMAS}/workload.schema.json",),
    ),
    "result-files.md": (files_page, (f"{SCHEMAS}/summary.schema.json", f"{SCHEMAS}/comparison.schema.json")),
}
