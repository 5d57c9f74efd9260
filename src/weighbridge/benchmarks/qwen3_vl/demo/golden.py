"""Record the served model's answer to one request, so that later runs can detect a wrong build.

Run as `.venv/bin/python demo/golden.py`. The server is started with the settings of demo/config.yaml, and the
request is the one that the client would send.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import openai
import yaml

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.files import write_atomic
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.serving.probing import Golden
from weighbridge.serving.running_server import running_server

DEMO = Path(__file__).parent
ROOT = DEMO.parents[4]
# At temperature 0 the server always picks the most likely token, so the answer is reproducible.
KNOWN_SAMPLE, TEMPERATURE = 0, 0.0


def known_request(model_name: str, work: Path) -> dict[str, object]:
    """Return the body that the client would send for the known sample, at temperature 0."""
    round_ = load_round("demo")
    build_store(
        dataset=DEMO / "dataset",
        splits=round_.splits,
        prompt=DEMO / "prompt.json",
        benchmark=round_.benchmark,
        model_name=model_name,
        settings=RequestSettings(),
        expected_samples=round_.samples,
        out=work / "requests",
        processes=os.cpu_count() or 1,
    )
    body = RequestStore.open(work / "requests").body(KNOWN_SAMPLE)
    return json.loads(bytes(body)) | {"temperature": TEMPERATURE}


def answer_of(server: ServerSettings, request: dict[str, object], work: Path) -> str:
    """Start the server, send the request, stop the server, and return the answer."""
    forbidden = load_round("demo").server_must_not
    with (
        running_server(server, DEMO / "model", work / "server.log", forbidden=forbidden) as running,
        openai.OpenAI(base_url=f"{running.endpoints[0]}/v1", api_key="none") as client,
    ):
        completion = openai.types.chat.ChatCompletion
        made = client.post("/chat/completions", body=request, cast_to=completion)
    return made.choices[0].message.content or ""


def main() -> None:
    """Record the answer in demo/golden.json."""
    config = yaml.safe_load((DEMO / "config.yaml").read_text(encoding="utf-8"))
    server = ServerSettings.parse(config["server"], "demo/config.yaml", context={"root": ROOT})
    with tempfile.TemporaryDirectory() as folder:
        request = known_request(server.model_name, Path(folder))
        answer = answer_of(server, request, Path(folder))
    golden = Golden(sample=KNOWN_SAMPLE, temperature=TEMPERATURE, answer=answer)
    write_atomic(DEMO / "golden.json", golden.model_dump_json(indent=2) + "\n")
    print(f"demo/golden.json: {answer}")


if __name__ == "__main__":
    main()
