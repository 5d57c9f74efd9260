"""Record the served model's answer to one request, so that later runs can detect a wrong build.

`weighbridge golden record` asks a server that runs. A demo's answer is made by starting its server: run as
`python -m weighbridge.run.golden_recorder CONFIG` in the project's folder. CONFIG is a file laid over
config.yaml that names a round, local artifacts and a server, and in `server.golden` the file that is written.
"""

import os
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.round_settings import requests_of_round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import read_data
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.serving.golden_answer import Golden, answer_at
from weighbridge.serving.running_server import running_server

# At temperature 0 a server always picks the most likely token, so the answer is reproducible.
KNOWN_SAMPLE, TEMPERATURE = 0, 0.0
_TIMEOUT_S = 600
_TIMES = 3  # one answer would not show a server that answers differently each time


def record_golden(config: Path, root: Path) -> Golden:
    """Start the server of a configuration, ask it the known request, write and return the answer.

    Args:
        config: File with `round`, local `artifacts`, and `server`, whose `golden` is the file to write.
        root: Where relative paths start.

    Raises:
        InputError: the configuration has no such keys.
        SetupError: the server does not start, or as of `ask_golden`.
    """
    data: Any = read_data(config)
    server = ServerSettings.parse(data["server"], f"{config}: server", context={"root": root})
    if server.golden is None:
        raise InputError(f"{config}: server.golden names no file to write; add it.")
    round_ = load_round(data["round"], data.get("category"))
    paths = {kind: root / data["artifacts"][kind]["path"] for kind in ("model", "dataset")}
    with tempfile.TemporaryDirectory() as work:
        build_store(
            dataset=paths["dataset"],
            splits=round_.splits,
            prompt=root / data["artifacts"]["prompt"],
            model=paths["model"],
            benchmark=round_.benchmark,
            model_name=server.model_name,
            settings=requests_of_round(RequestSettings(), round_),
            expected_samples=round_.of_dataset,
            first=round_.samples,
            out=Path(work) / "requests",
            processes=os.cpu_count() or 1,
        )
        store = RequestStore.open(Path(work) / "requests")
        log = Path(work) / "server.log"
        with running_server(server, paths["model"], log, forbidden=round_.server_must_not) as running:
            golden = ask_golden(running.endpoints[0], store, KNOWN_SAMPLE, None, _TIMEOUT_S)
    write_golden(golden, server.golden)
    return golden


def ask_golden(
    endpoint: str, store: RequestStore, sample: int, api_key: str | None, timeout_s: float
) -> Golden:
    """Return what a running server answers to a stored request, which it must answer alike each time.

    Args:
        endpoint: Base URL of the server.
        store: The requests that runs send.
        sample: Number of the request in the store.
        api_key: Key to send, if any.
        timeout_s: How long to wait for each answer.

    Raises:
        InputError: the store has no such request.
        SetupError: the server does not answer, answers without a text, or not alike.
    """
    if not 0 <= sample < len(store):
        raise InputError(f"--sample {sample}: the store has the samples 0 to {len(store) - 1}; choose one.")
    body, api = bytes(store.body(sample)), store.manifest.api
    answers = [answer_at(TEMPERATURE, endpoint, api, body, api_key, timeout_s) for _ in range(_TIMES)]
    answer = answers[0]
    if not answer:
        raise SetupError(
            f"no golden answer: the server at {endpoint} answers sample {sample} without a text; see that it "
            "serves the right model."
        )
    if len(set(answers)) > 1:
        raise SetupError(
            f"no golden answer: the server at {endpoint} answers sample {sample} in {len(set(answers))} ways "
            f"at temperature {TEMPERATURE:g}, asked {_TIMES} times, so no later one could be compared; try "
            "another --sample with a short answer, or a build with deterministic kernels."
        )
    return Golden(
        sample=sample, temperature=TEMPERATURE, answer=answer, request_sha256=sha256(body).hexdigest()
    )


def write_golden(golden: Golden, to: Path) -> None:
    """Write a golden answer for `server.golden`."""
    write_atomic(to, golden.model_dump_json(indent=2, exclude_none=True) + "\n")


if __name__ == "__main__":
    recorded = record_golden(Path(sys.argv[1]), Path.cwd())
    sys.stdout.write(f"sample {recorded.sample}: {recorded.answer}\n")
