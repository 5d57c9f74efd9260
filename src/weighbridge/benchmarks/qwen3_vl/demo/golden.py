"""Record how the served model answers one known request, so that a wrong build is found before a run.

Run as `.venv/bin/python demo/golden.py`. The server is started as demo/config.yaml says, and the request is
the one that the client would send.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import openai
import yaml

from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import RequestSettings
from weighbridge.core.files import write_atomic
from weighbridge.requests.store import RequestStore, build_store
from weighbridge.serving.probing import Golden
from weighbridge.serving.running_server import running_server

DEMO = Path(__file__).parent
ROOT = DEMO.parents[4]
# Temperature 0 takes the likeliest token each time, so the answer is the same letter by letter.
KNOWN_SAMPLE, TEMPERATURE = 0, 0.0


def known_request(model_name: str, work: Path) -> dict[str, object]:
    """Return the body that the client would send for the known sample, without the randomness."""
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
    """Start the server, ask once, stop it."""
    forbidden = load_round("demo").server_must_not
    with running_server(server, DEMO / "model", work / "server.log", forbidden=forbidden) as running:
        client = openai.OpenAI(base_url=f"{running.endpoints[0]}/v1", api_key="none")
        path = "/chat/completions"
        made = client.post(path, body=request, cast_to=openai.types.chat.ChatCompletion)
    return made.choices[0].message.content or ""


def main() -> None:
    """Ask, and write demo/golden.json."""
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
