"""The command line `benchmark from-config -c FILE --mode both`: warm-up, performance phase, accuracy phase.

A file `faults.json` at the top of its repository orders faults:

- exit_at_setup: exit with this code before anything is sent
- exit_after: exit with `exit_code` after so many queries of the performance phase; negative: by a signal
- stall_after: send nothing more after so many, and wait for their answers for ever
- deaf: ignore SIGINT and SIGTERM
- leaves_process: leave a process of its own session behind, which has got away from its parents
- touches: append to this file of its own repository at the end
"""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from time import monotonic_ns
from typing import Any

import pyarrow.parquet as pq
import yaml

from inference_endpoint import __version__
from inference_endpoint.figures import category_f1, count_tokens, series
from inference_endpoint.sending import Answer, Sender, body_of

TREE = Path(__file__).resolve().parents[2]
_MOST_THREADS = 64
_LINGERS = (
    "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\ntime.sleep(600)\n"
)
log = logging.getLogger("inference_endpoint")


class Run:
    """One invocation."""

    def __init__(self, config: dict[str, Any], faults: dict[str, Any]) -> None:
        self.config, self.faults = config, faults
        self.params, self.settings = config["model_params"], config["settings"]
        self.report = Path(config["report_dir"])
        self.stream = self.params["streaming"] == "on"
        preset = config["datasets"][0]["name"]
        file = next(Path("dataset_cache").glob(f"{preset.split('::')[0]}/*/*.parquet"))
        self.rows: list[dict[str, str]] = pq.read_table(file).to_pylist()
        self.bodies = [body_of(row, self.params, stream=self.stream) for row in self.rows]
        endpoint = config["endpoint_config"]
        self.sender = Sender(endpoint["endpoints"], endpoint.get("api_key"))
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.answers: dict[str, Answer] = {}
        self.issued: dict[str, dict[str, int]] = {}  # phase -> query -> sample
        self.issued_ns: dict[str, int] = {}
        self.marks: dict[str, int] = {}
        self.warmed_up = 0
        folder = Path("/dev/shm") / f"benchmark_cli_benchmark_{uuid.uuid4().hex[:8]}" / "events"
        folder.mkdir(parents=True)
        self.shared, self.events = folder.parent, folder / "events.jsonl"
        self.logger = subprocess.Popen(
            [sys.executable, "-m", "inference_endpoint.event_log", str(self.events)], stdin=subprocess.PIPE
        )

    def note(self, event: str, at_ns: int = 0, query: str = "", data: Any = None, **more: Any) -> None:
        assert self.logger.stdin is not None
        line = {
            "event_type": event,
            "timestamp_ns": at_ns or monotonic_ns(),
            "sample_uuid": query,
            "conversation_id": "",
            "turn": None,
            "data": data,
            **more,
        }
        with self.lock:
            self.marks.setdefault(event, line["timestamp_ns"])
            self.logger.stdin.write(json.dumps(line).encode() + b"\n")
            self.logger.stdin.flush()

    def all(self) -> None:
        """Go through the phases, as far as nobody interrupts."""
        runtime, warmup = self.settings["runtime"], self.settings["warmup"]
        gaps = random.Random(runtime["scheduler_random_seed"])
        order = random.Random(runtime["dataloader_random_seed"])
        self.note("session.started")
        if warmup["enabled"]:
            count, own = warmup["n_requests"] or len(self.rows), warmup["warmup_random_seed"]
            self.phase("warmup", self.shuffled(count, random.Random(own + 1)), random.Random(own))
        if not self.stopped.is_set():
            self.note("session.start_performance_tracking")
            count = runtime["n_samples_to_issue"] or len(self.rows)
            self.phase("performance", self.shuffled(count, order), gaps)
            self.note("session.stop_performance_tracking")
        if not self.stopped.is_set():
            self.phase(self.config["datasets"][1]["name"], list(range(len(self.rows))), gaps)
        self.note("session.ended")
        assert self.logger.stdin is not None
        self.logger.stdin.close()
        self.logger.wait()

    def shuffled(self, count: int, generator: random.Random) -> list[int]:
        order, samples = list(range(len(self.rows))), []
        while len(samples) < count:
            generator.shuffle(order)
            samples += order
        return samples[:count]

    def phase(self, name: str, samples: list[int], gaps: random.Random) -> None:
        log.info("Starting phase: %s", name)
        pattern, queries = self.settings["load_pattern"], self.issued.setdefault(name, {})
        due_s = time.monotonic()
        open_: list[Future[None]] = []
        connections = self.settings["client"].get("max_connections", -1)
        threads = min(_MOST_THREADS, connections if connections > 0 else _MOST_THREADS)
        pool = ThreadPoolExecutor(threads)
        try:
            for number, sample in enumerate(samples):
                if pattern["type"] == "poisson":
                    due_s += max(1, int(gaps.expovariate(pattern["target_qps"] / 1e9))) / 1e9
                    self.stopped.wait(max(0.0, due_s - time.monotonic()))
                if self.stopped.is_set():
                    break
                if name == "performance":
                    self.fail(number)
                query = uuid.uuid4().hex
                queries[query], self.issued_ns[query] = sample, monotonic_ns()
                self.note("sample.issued", self.issued_ns[query], query, ["PromptData", *(None,) * 7])
                open_.append(pool.submit(self.one, name, number, query, sample))
            while open_ and not self.stopped.is_set():
                open_ = list(wait(open_, 0.2).not_done)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if name == "warmup":
            self.warmed_up = len(self.issued.pop(name))
        log.info("Phase %s complete: %d samples issued", name, len(queries))

    def fail(self, number: int) -> None:
        if number == self.faults.get("exit_after"):
            code = self.faults.get("exit_code", 1)
            if code < 0:
                os.kill(os.getpid(), -code)
            os._exit(code)

    def one(self, phase: str, number: int, query: str, sample: int) -> None:
        if phase == "performance" and number >= self.faults.get("stall_after", number + 1):
            threading.Event().wait()
        answer = self.sender.send(number, self.bodies[sample], stream=self.stream)
        if self.stopped.is_set():
            return
        if answer.first_ns:
            self.note("sample.recv_first", answer.first_ns, query)
        if answer.error:
            self.note("error.generic", 0, query, ["ErrorData", *answer.error])
        if phase == "warmup":
            return
        output = answer.parts if self.stream else "".join(answer.parts)
        data = None if answer.error else ["TextModelOutput", output, None, None]
        more = {"finish_reason": answer.finish} if answer.finish else {}
        self.answers[query] = answer
        if len(self.answers) % 10 == 0:
            print(f"stand-in:  50%|#####| {len(self.answers)}/1000 [00:01<00:01, 9.99it/s]", file=sys.stderr)
        self.note("sample.complete", answer.end_ns, query, data, **more, worker_id=0)

    def write(self) -> None:
        """Write all that is written after the last phase."""
        (self.report / "sample_idx_map.json").write_text(json.dumps(self.issued, indent=2))
        shutil.copy2(self.events, self.report / "events.jsonl")
        summary = self.summary()
        self.write_json("metrics/final_snapshot.json", self.snapshot(summary))
        accuracy = self.issued.get(self.config["datasets"][1]["name"])
        try:
            if accuracy is not None:
                self.write_json("accuracy/accuracy_results.json", self.scores(accuracy))
        finally:
            self.write_json("performance/result_summary.json", summary)
            (self.report / "report.txt").write_text(f"Git SHA: {summary['git_sha']}\n")

    def write_json(self, name: str, data: Any) -> None:
        path = self.report / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(data, indent=2))

    def summary(self) -> dict[str, Any]:
        queries = self.issued.get("performance", {})
        ended = {query: self.answers[query] for query in queries if query in self.answers}
        good = {query: answer for query, answer in ended.items() if answer.error is None}
        started = self.marks.get("session.start_performance_tracking")
        latest = max((answer.end_ns for answer in ended.values()), default=0)
        duration_ns = latest - started if started and ended else None
        # Of scheduled queries: to the end of the one that was issued last.
        scheduled = self.settings["load_pattern"].get("use_legacy_loadgen_qps_metrics", False)
        window_ns = None
        if scheduled and len(ended) > 1:
            last = next(query for query in reversed(queries) if query in ended)
            window_ns = ended[last].end_ns - self.issued_ns[next(iter(queries))]
        rate = (len(ended) - 1, window_ns) if window_ns else (len(ended), duration_ns)
        tokens = self.tokens(good)
        lengths, firsts = list(tokens.values()), {q: a.first_ns for q, a in good.items() if a.first_ns}
        after = {query: tokens[query] - 1 for query in firsts if tokens[query] > 1}
        return {
            "version": __version__,
            "git_sha": git_sha(),
            "test_started_at": 0,
            "n_samples_issued": len(queries),
            "n_samples_completed": len(ended),
            "n_samples_failed": len(ended) - len(good),
            "duration_ns": duration_ns,
            "state": "complete",
            "complete": True,
            "ttft": series([at - self.issued_ns[query] for query, at in firsts.items()], estimates=True),
            "tpot": series(
                [(good[query].end_ns - firsts[query]) / count for query, count in after.items()],
                estimates=True,
            ),
            "latency": series([a.end_ns - self.issued_ns[q] for q, a in ended.items()], estimates=True),
            "output_sequence_lengths": series(lengths, estimates=False),
            "input_sequence_lengths": {},
            "legacy_loadgen_window_duration_ns": window_ns,
            "qps": rate[0] / rate[1] * 1e9 if rate[1] else None,
            "tps": sum(lengths) / rate[1] * 1e9 if rate[1] else None,
            "finish_reason_counts": {
                reason: sum(answer.finish == reason for answer in good.values())
                for reason in ("stop", "length")
            },
            "run_config": {
                "load_pattern": self.settings["load_pattern"],
                "warmup": self.settings["warmup"],
                **{f"{n}_random_seed": self.seed(n) for n in ("scheduler", "dataloader")},
            },
        }

    def seed(self, name: str) -> int:
        seed: int = self.settings["runtime"][f"{name}_random_seed"]
        return seed

    def tokens(self, answers: dict[str, Answer]) -> dict[str, int]:
        texts = ["".join(answer.parts) for answer in answers.values()]
        return dict(zip(answers, count_tokens(texts, Path(self.params["tokenizer_name"])), strict=True))

    def snapshot(self, summary: dict[str, Any]) -> dict[str, Any]:
        everything = [query for queries in self.issued.values() for query in queries]
        ended = [self.answers[query] for query in everything if query in self.answers]
        counters = {
            "total_samples_issued": len(everything) + self.warmed_up,
            "total_samples_completed": len(ended),
            "total_samples_failed": sum(answer.error is not None for answer in ended),
            **{f"tracked_samples_{n}": summary[f"n_samples_{n}"] for n in ("issued", "completed", "failed")},
        }
        metrics = [{"type": "counter", "name": name, "value": value} for name, value in counters.items()]
        return {
            "counter": 1,
            "timestamp_ns": monotonic_ns(),
            "state": "complete",
            "n_pending_tasks": 0,
            "metrics": metrics,
        }

    def scores(self, queries: dict[str, int]) -> dict[str, Any]:
        dataset = self.config["datasets"][1]
        column = dataset["accuracy_config"]["ground_truth"]
        answers = {query: self.answers[query] for query in queries if query in self.answers}
        texts = ["".join(answer.parts) for answer in answers.values()]
        score = category_f1(texts, [self.rows[queries[query]][column] for query in answers])
        empty = sum(not text for text in texts)
        entry = {
            "dataset_name": dataset["name"],
            "extractor": "IdentityExtractor",
            "ground_truth_column": column,
            "score": score,
            "unit_samples": len(self.rows),
            "num_repeats": 1,
            "total_samples": len(self.rows),
            "duration_s": 0.0,
            "complete": True,
            "dataset_type": "accuracy",
            "response_counts": {
                "issued": len(queries),
                "scored": len(answers) - empty,
                "empty": empty,
                "missing": len(queries) - len(answers),
            },
            "output_sequence_lengths": series(list(self.tokens(answers).values()), estimates=False),
        }
        return {"average_accuracy": score, "accuracy_scores": [entry]}

    def leave(self) -> None:
        shutil.rmtree(self.shared, ignore_errors=True)
        if self.faults.get("leaves_process"):
            subprocess.run([sys.executable, "-c", _LINGERS], check=True)
        if "touches" in self.faults:
            with (TREE / self.faults["touches"]).open("a") as file:
                file.write("\n")


def git_sha() -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "--show-toplevel", "--short=7", "HEAD"], cwd=TREE, capture_output=True, text=True
    )
    lines = found.stdout.split()
    return lines[1] if len(lines) == 2 and Path(lines[0]).resolve() == TREE else None


def resolved(value: Any) -> Any:
    """Return a part of the configuration with ${NAME} replaced by the variable's value."""
    if isinstance(value, dict):
        return {key: resolved(each) for key, each in value.items()}
    if isinstance(value, list):
        return [resolved(each) for each in value]
    if isinstance(value, str) and value.startswith("${"):
        return os.environ[value[2:-1]]
    return value


def written(value: Any) -> Any:
    """Return a part of the configuration as it is written: without nulls and secrets."""
    if isinstance(value, dict):
        return {
            key: "<redacted>" if key == "api_key" else written(each)
            for key, each in value.items()
            if each is not None
        }
    return [written(each) for each in value] if isinstance(value, list) else value


def main() -> int:
    if sys.argv[1:4] != ["benchmark", "from-config", "-c"] or sys.argv[5:] != ["--mode", "both"]:
        raise SystemExit(f"not what this stand-in can do: {sys.argv[1:]}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        config = resolved(yaml.safe_load(Path(sys.argv[4]).read_text()))
    except KeyError as error:
        log.error("Environment variable %s is not set", error)
        return 2
    file = TREE / "faults.json"
    faults = json.loads(file.read_text()) if file.is_file() else {}
    report = Path(config["report_dir"])
    report.mkdir(parents=True, exist_ok=True)
    (report / "config.yaml").write_text(yaml.safe_dump(written(config), sort_keys=False))
    if "exit_at_setup" in faults:
        log.error("Failed to load dataset: 401 for key %s", config["endpoint_config"].get("api_key"))
        return int(faults["exit_at_setup"])
    run = Run(config, faults)
    if faults.get("deaf"):
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGINT, lambda *_: run.stopped.set())
    try:
        run.all()
        run.write()
    finally:
        run.leave()
    return 0


if __name__ == "__main__":
    logging.raiseExceptions = False
    code = main()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # threads that wait for ever are left behind
