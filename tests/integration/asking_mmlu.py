"""Run `weighbridge measure-mmlu` in the environment of model quality, against any endpoint."""

import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry, Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.core.files import sha256_of
from weighbridge.quality.made_up_questions import write_made_up_questions

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-quality" / "bin" / "python"
MODEL = ROOT / "src/weighbridge/benchmarks/llama3_1_8b/demo/model"
MODEL_NAME = "m"


@dataclass(frozen=True)
class Data:
    """Questions and a model's tokenizer, proven.

    Attributes:
        questions: Folder of the questions.
        dataset: Their proof.
        model: Proof of the model.
    """

    questions: Path
    dataset: Path
    model: Path


def make_data(folder: Path, questions: int) -> Data:
    """Make up so many questions of each subject, and prove them and the demo's model."""
    made = folder / "questions"
    write_made_up_questions(questions, made)
    for kind, of in ((ArtifactKind.MMLU, made), (ArtifactKind.MODEL, MODEL)):
        paths = sorted(path for path in of.rglob("*") if path.is_file())
        files = tuple(
            FileEntry(path=path.relative_to(of).as_posix(), size=path.stat().st_size, sha256=sha256_of(path))
            for path in paths
        )
        digest = Manifest(files=files).digest
        proof = Proof(kind=kind, folder=of, repo=None, revision=None, manifest_digest=digest, files=files)
        proof.write(folder / f"{kind}.json")
    return Data(made, folder / "mmlu.json", folder / "model.json")


@dataclass(frozen=True)
class Asking:
    """A measurement in a folder of its own, whose home and temporary folder are there too."""

    folder: Path
    data: Data
    urls: tuple[str, ...]
    mmlu: Mapping[str, object] = field(default_factory=dict)
    client: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        """Folder that is written."""
        return self.folder / "results" / "quality" / "mmlu"

    @property
    def command(self) -> list[str]:
        """The command."""
        server = {"endpoints": self.urls, "model_name": MODEL_NAME, "endpoints_timeout_s": 2}
        sections = {"server": server, "client": self.client, "mmlu": self.mmlu}
        options = [each for name, of in sections.items() for each in (f"--{name}", json.dumps(of))]
        proofs = ["--dataset", str(self.data.dataset), "--model", str(self.data.model)]
        places = ["--out", str(self.out), "--replaced", str(self.folder / "replaced")]
        return [str(PYTHON), "-m", "weighbridge", "measure-mmlu", *proofs, *places, *options]

    def start(self) -> "subprocess.Popen[str]":
        """Start it."""
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp")}
        unset = {name for name in os.environ if name.startswith(("HF_", "XDG_", "OPENAI_"))}
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        return subprocess.Popen(
            self.command, stderr=subprocess.PIPE, text=True, env=inherited | own | dict(self.environment)
        )

    def run(self) -> tuple[int, list[str]]:
        """Run it; return its exit code, and what it logged, a line each, without the times."""
        process = self.start()
        _, text = process.communicate(timeout=300)
        return process.returncode, [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in text.splitlines()]

    def written(self) -> Iterator[Path]:
        """Yield all files that it left, those of its home and temporary folder too."""
        return (path for path in self.folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def refusing(status: int, *, context: int | None = None, content: object | None = None) -> Iterator[str]:
    """Serve the model's name, and answer every other request with the same; yield the URL.

    Args:
        status: Of these answers.
        context: Tokens that the model is said to take; None: the server does not report it.
        content: Of these answers; None: an error that repeats the request's key.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def reply(self, code: int, content: object) -> None:
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            if self.path != "/v1/models":
                self.reply(404, {})
            else:
                model = {"id": MODEL_NAME, "object": "model"}
                more = {} if context is None else {"max_model_len": context}
                self.reply(200, {"object": "list", "data": [model | more]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            said = f"no entry with {self.headers.get('Authorization')}"
            # The first refusal ends the command, which then reads no other answer.
            with contextlib.suppress(ConnectionError):
                self.reply(status, content or {"error": {"message": said}})

        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                super().handle()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answered_by(url: str) -> int:
    """Return how many requests a simulated server has answered; each answer has one token."""
    with urlopen(f"{url}/metrics", timeout=30) as page:
        [count] = re.findall(r"^vllm:generation_tokens_total\S* (\S+)$", page.read().decode(), re.MULTILINE)
    return int(float(count))
