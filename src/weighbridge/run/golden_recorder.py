"""Record the served model's answer to one request, so that later runs can detect a wrong build.

Run as `python -m weighbridge.run.golden_recorder CONFIG` in the project's folder: CONFIG is a file laid over
config.yaml that names a round, local artifacts and a server, such as a demo's. The server is started with
these settings, the request is the one that the client would send, and the answer goes to the file that
`server.golden` names.
"""

import os
import sys
import tempfile
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
from weighbridge.serving.probing import Golden, answer_at
from weighbridge.serving.running_server import running_server

# At temperature 0 a server always picks the most likely token, so the answer is reproducible.
KNOWN_SAMPLE, TEMPERATURE = 0, 0.0
_TIMEOUT_S = 600


def record_golden(config: Path, root: Path) -> Golden:
    """Start the server of a configuration, ask it the known request, write and return the answer.

    Args:
        config: File with `round`, local `artifacts`, and `server`, whose `golden` is the file to write.
        root: Where relative paths start.

    Raises:
        InputError: the configuration has no such keys.
        SetupError: the server does not start, or answers without a text.
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
        body, api = bytes(store.body(KNOWN_SAMPLE)), store.manifest.api
        log = Path(work) / "server.log"
        with running_server(server, paths["model"], log, forbidden=round_.server_must_not) as running:
            answer = answer_at(TEMPERATURE, running.endpoints[0], api, body, None, _TIMEOUT_S)
    if not answer:
        raise SetupError(
            f"{server.golden}: not written, because the server answers the known request without a text; "
            "see that it serves the right model."
        )
    golden = Golden(sample=KNOWN_SAMPLE, temperature=TEMPERATURE, answer=answer)
    write_atomic(server.golden, golden.model_dump_json(indent=2) + "\n")
    return golden


if __name__ == "__main__":
    recorded = record_golden(Path(sys.argv[1]), Path.cwd())
    sys.stdout.write(f"sample {recorded.sample}: {recorded.answer}\n")
