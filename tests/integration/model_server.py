#!/usr/bin/env python3
"""A model server in the form of `vllm serve`, whose faults are chosen by its environment.

MODEL_SERVER_FAULT   dies | dies-on-gpu-1 | hangs | deaf | wrong-model | wrong-answer | no-text |
                     keeps-prefixes | lacks-library | tells-nothing | clings | (none)
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULT = os.environ.get("MODEL_SERVER_FAULT", "")


def options() -> dict[str, str]:
    return dict(word.lstrip("-").split("=", 1) for word in sys.argv[3:] if "=" in word)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass

    def reply(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def allowed(self) -> bool:
        key = os.environ.get("VLLM_API_KEY")
        return key is None or self.headers.get("Authorization") == f"Bearer {key}"

    def tell_metrics(self) -> None:
        keeps = "--no-enable-prefix-caching" not in sys.argv or FAULT == "keeps-prefixes"
        data = f'vllm:cache_config_info{{block_size="16",enable_prefix_caching="{keeps}"}} 1.0\n'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self) -> None:
        data = b'data: {"choices": []}\n\ndata: [DONE]\n\n'
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        if not self.allowed():
            self.reply(401, {"error": {"message": "no"}})
        elif self.path == "/version":
            self.reply(200, {"version": "0.12.0"})
        elif self.path == "/metrics":
            self.tell_metrics()
        elif self.path == "/v1/models":
            name = "another" if FAULT == "wrong-model" else options()["served-model-name"]
            self.reply(200, {"object": "list", "data": [{"id": name, "object": "model"}]})
        else:
            self.reply(404, {"error": {"message": "unknown"}})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request.get("stream"):
            self.stream()
            return
        chat = self.path == "/v1/chat/completions"
        text = request["messages"][-1]["content"] if chat else request["prompt"]
        text = {"wrong-answer": "nonsense", "no-text": None}.get(FAULT, text)
        answer = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        kind = "chat.completion" if chat else "text_completion"
        self.reply(
            200,
            {"id": "1", "object": kind, "created": 0, "model": request["model"]}
            | {"choices": [{"index": 0, "finish_reason": "stop"} | answer], "usage": usage},
        )


def cling(mark: str) -> None:
    """Start what is hard to get rid of: a child that is deaf, and one that leaves its parents and session."""
    deaf = "trap '' TERM HUP INT QUIT; while :; do sleep 1; done"
    subprocess.Popen(["sh", "-c", deaf, mark])
    # The group of the server does not reach it, and its parent ends at once.
    subprocess.run(["sh", "-c", f'setsid sh -c "{deaf}" {mark} &'], check=True)


def main() -> None:
    if FAULT == "lacks-library":
        sys.exit("ImportError: libnuma.so.1: cannot open shared object file: No such file or directory")
    if sys.argv[1] == "--version":
        print("0.12.0")
        return
    devices = os.environ.get("CUDA_VISIBLE_DEVICES")
    print(f"CUDA_VISIBLE_DEVICES={devices}", flush=True)
    said = {name.replace("-", "_"): value for name, value in options().items()}
    if FAULT != "tells-nothing":
        print(f"(APIServer pid=1) INFO 11-22 04:53:19 [utils.py:253] non-default args: {said}", flush=True)
    if "SLURMD_NODENAME" in os.environ:
        print(f"node {os.environ['SLURMD_NODENAME']}", flush=True)
    if "--headless" in sys.argv:
        time.sleep(600)
    if FAULT == "dies" or (FAULT == "dies-on-gpu-1" and devices == "1"):
        time.sleep(0.5)
        sys.exit("the engine could not be made: no such kernel")
    if FAULT == "hangs":
        time.sleep(600)
    if FAULT == "clings":
        cling(sys.argv[2])
    if FAULT in ("deaf", "clings"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # A worker of its own, as vLLM's engine is; it must not outlive the server either.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    # As vLLM does: another process may listen at the same port, before or after.
    ThreadingHTTPServer.allow_reuse_port = True
    ThreadingHTTPServer((options()["host"], int(options()["port"])), Handler).serve_forever()


main()
