"""The text of a first configuration: what a user states, commented, laid over the project's config.yaml."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import weighbridge
from weighbridge.benchmarks.machine_needs import needs_of
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Round
from weighbridge.config.situation import Situation
from weighbridge.config.target_rate import AUTO
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_data
from weighbridge.core.plain_data import merged

BASE = "config.yaml"
_OVERLAYS = "config"  # folder with the overlay of each further benchmark
_SCHEMA = Path(weighbridge.__file__).parent / "schemas" / "config-overlay.schema.json"
# Of one H200, where no GPU is visible here: the file is for another machine then.
_GPU_MEMORY_BYTES = 141_000_000_000
_OFFLINE_QPS = 10


@dataclass(frozen=True)
class StartingConfig:
    """What a first configuration states.

    Attributes:
        situation: Where the model is served.
        round_reference: Round of the rules, as in `round`.
        category: Its category; None: it has none.
        endpoint: Base URL of the user's server.
        model_name: Name that it serves; None: the round's repository is a guess.
        gpus: GPUs of a node.
        gpu_memory_bytes: Of one GPU; None: none is visible.
    """

    situation: Situation
    round_reference: str
    category: str | None = None
    endpoint: str | None = None
    model_name: str | None = None
    gpus: int = 8
    gpu_memory_bytes: int | None = None

    def text(self, project: Path, out: Path) -> str:
        """Return the file's text.

        Args:
            project: Folder with config.yaml, where Snakemake is called.
            out: The file that the text is for.

        Raises:
            InputError: there is no such round or category, or no overlay of its benchmark.
        """
        round_ = load_round(self.round_reference, self.category)
        beside = _overlay_of(round_, project)
        base = read_data(project / BASE)
        for overlay in beside:
            base = merged(base, read_data(project / overlay))
        lines = [
            *_schema_line(out),
            f"# {_TITLES[self.situation]}. Written by `weighbridge init {self.situation}`.",
            f"# It is laid over {' and '.join((BASE, *beside))}, for all that it leaves out.",
            f"round: {json.dumps(self.round_reference)}",
            *([f"category: {json.dumps(self.category)}"] if self.category else ()),
            *_limit(round_),
            "",
            "server:",
            *(self._endpoint(round_) if self.situation is Situation.ENDPOINT else self._servers(round_)),
            "",
            *_about_rates(round_),
            "scenarios:",
            *_scenarios(round_, base.get("scenarios", {})),
            "",
            "submission:",
            _line("  submitter: MyOrganisation", "folder of the submission tree"),
            f"  system: {self._system_name()}",
            "",
            *self._last_lines(out, beside),
        ]
        return "\n".join(lines) + "\n"

    def _endpoint(self, round_: Round) -> Iterator[str]:
        name = json.dumps(self.model_name or _repository(round_))
        yield _line(f"  endpoints: [{json.dumps(self.endpoint)}]", "several share the load")
        yield _line(f"  model_name: {name}", "" if self.model_name else "a guess: /v1/models says it")
        yield _line("  # logs: [server.log]", "its log, which proves arguments that no request can show")
        yield _line("  # golden: golden.json", "a known answer, from `weighbridge golden record`")
        yield _line("  gpus: 0", "the servers are yours: this machine needs none")
        yield "  replicas: 1"
        yield "  tensor_parallel_size: 1"
        yield "  args: []"
        yield ""
        yield "# client:"
        yield _line("#   api_key_env: MY_KEY", "name of the environment variable with the key, never the key")
        yield _line("#   workers: 2", "for more than 10,000 requests/s")

    def _servers(self, round_: Round) -> Iterator[str]:
        shards = self._shards(round_)
        yield _line(f"  gpus: {self.gpus}", "of a node; checked before the first download")
        yield _line(f"  replicas: {self.gpus // shards}", "servers on a node, which share its GPUs equally")
        yield _line(f"  tensor_parallel_size: {shards}", "GPUs of one server; raise it if it does not start")
        if self.model_name:
            yield f"  model_name: {json.dumps(self.model_name)}"
        yield _line("  # executable: /opt/vllm/bin/vllm", "if vllm is not on PATH")
        yield _line("  # golden: golden.json", "a known answer, from `weighbridge golden record`")
        if self.situation is Situation.SLURM:
            yield _line("  # launcher: srun", "one server on each of several nodes of a job")
            yield ""
            yield _line("fetch_on: submit-host", "job, where compute nodes reach the hub")

    def _shards(self, round_: Round) -> int:
        """Return the fewest GPUs, a divisor of all, whose memory holds the model; at most all."""
        needs = needs_of(round_.benchmark)
        memory = self.gpu_memory_bytes or _GPU_MEMORY_BYTES
        divisors = (count for count in range(1, self.gpus + 1) if self.gpus % count == 0)
        enough = (count for count in divisors if needs is None or count * memory >= needs.gpu_memory_bytes)
        return next(enough, self.gpus)

    def _system_name(self) -> str:
        return "my-endpoint" if self.situation is Situation.ENDPOINT else f"{self.gpus}xGPU-vLLM"

    def _last_lines(self, out: Path, beside: Sequence[str]) -> Iterator[str]:
        slurm = self.situation is Situation.SLURM
        files = (*beside, str(out))
        where = f"--directory {quote(f'runs/{out.stem}')}{' --profile slurm' if slurm else ''}"
        laid_over = " ".join(f"--config {quote(name)}" for name in files)
        yield "# Run it in the project's folder; the second line only lists what would be done:"
        yield f"#   weighbridge doctor {laid_over} --for {'slurm' if slurm else 'benchmark'}"
        yield f"#   snakemake -n submission {where} --configfile {' '.join(map(quote, files))}"
        yield f"#   weighbridge submit {where} {laid_over}"


_TITLES = {
    Situation.ENDPOINT: "The benchmark against an endpoint of yours",
    Situation.NODE: "The benchmark on the GPUs of one node",
    Situation.SLURM: "The benchmark on a Slurm cluster, whose partitions profiles/slurm/config.yaml names",
}


def _schema_line(out: Path) -> Iterator[str]:
    """Yield the line by which editors check the file, where schema and file are in one project."""
    if all(path.is_relative_to(Path.cwd()) for path in (_SCHEMA, out.resolve())):
        path = Path(os.path.relpath(_SCHEMA, out.resolve().parent))
        yield f"# yaml-language-server: $schema={path.as_posix()}"


def _line(setting: str, comment: str) -> str:
    return f"{setting:<34} # {comment}" if comment else setting


def _overlay_of(round_: Round, project: Path) -> tuple[str, ...]:
    """Return the file that is laid over config.yaml for a round; none where config.yaml is of its benchmark.

    A file of this very round comes first: it has what other rounds of the benchmark do not need.
    """
    base, wanted = _round_of(project / BASE), (round_.benchmark, round_.name)
    if base is not None and (base.benchmark, base.name) == wanted:
        return ()
    beside = {path: _round_of(path) for path in sorted((project / _OVERLAYS).glob("*.yaml"))}
    exact = [path for path, of in beside.items() if of is not None and (of.benchmark, of.name) == wanted]
    if base is not None and base.benchmark == round_.benchmark and not exact:
        return ()
    alike = [path for path, of in beside.items() if of is not None and of.benchmark == round_.benchmark]
    for path in exact or alike:
        return (str(path.relative_to(project)),)
    raise InputError(
        f"{project / _OVERLAYS}: no file here has a round of {round_.benchmark}; write one, with artifacts, "
        "as docs/adding-a-benchmark.md describes."
    )


def _round_of(config: Path) -> Round | None:
    """Return a configuration's round; None where it names none."""
    data = read_data(config)
    reference = data.get("round") if isinstance(data, dict) else None
    return load_round(reference, data.get("category")) if isinstance(reference, str) else None


def _limit(round_: Round) -> Iterator[str]:
    if round_.evidence == "loadgen":
        yield _line("# limit: 100", "a first look at so many samples, in minutes; never submittable")


def _about_rates(round_: Round) -> Iterator[str]:
    if round_.evidence == "loadgen":
        yield "# Offline: samples/s that you expect, for progress and remaining time. auto: search the"
        yield "# highest rate that keeps the limits; a number of queries/s measures that rate alone."
    else:
        yield "# Offline: samples/s that you expect, which size the run; elsewhere the queries/s to issue. A"
        yield "# scenario that is null is not measured."


def _scenarios(round_: Round, configured: Mapping[str, object]) -> Iterator[str]:
    for name, rules in round_.scenarios.items():
        stated = configured.get(name)
        if rules.required or stated is not None:
            known = stated.get("target_qps", 1) if isinstance(stated, dict) else 1
            yield f"  {name}:"
            yield f"    target_qps: {_OFFLINE_QPS if rules.offline else AUTO if rules.searchable else known}"


def _repository(round_: Round) -> str:
    model = round_.closed.model
    return model.repo if model is not None else round_.benchmark
