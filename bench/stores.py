"""Request stores for the measurements: distinct bodies of a chosen size, built once in bench/build."""

import base64
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from weighbridge.benchmarks.qwen3_vl.prompt import Prompt
from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue
from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.records.store_manifest import StoreOrigin
from weighbridge.requests.encoding import envelope
from weighbridge.requests.store import RequestStore, write_store

BUILD = Path(__file__).parent / "build"
FULL = 48_289  # samples of the real benchmark
PICTURE_BYTES = 84_000  # 112 KB in base64 and 3 KB of text, like a request of the real benchmark
SMALL_PICTURE_BYTES = 750  # 1 KB in base64: where an answer's chunks are measured, not the requests


PROMPT_TOKENS = 800  # about those of a news article


def token_store(samples: int) -> Path:
    """Return the folder of a store of completion requests with token ids, streamed; each has its number.

    The second id of a prompt is the number of its sample.
    """
    folder = BUILD / f"{samples}-tokens.store"
    if (folder / "manifest.json").exists() and RequestStore.open(folder).manifest.count == samples:
        return folder
    prefix = '{"model":"m","prompt":'
    suffix = (
        ',"max_tokens":128,"return_token_ids":true,"stream":true,"stream_options":{"include_usage":true}}'
    )
    draws = random.Random(1)

    def bodies() -> Iterator[bytes]:
        for number in range(samples):
            ids = [128_000, number, *(draws.randrange(128_000) for _ in range(PROMPT_TOKENS - 2))]
            yield f"{prefix}{json.dumps(ids, separators=(',', ':'))}{suffix}".encode()

    origin = StoreOrigin(
        benchmark="bench",
        api=Api.COMPLETIONS,
        answers=AnswerKind.TOKENS,
        model_name="m",
        settings=RequestSettings(stream=True),
        prefix=prefix,
        suffix=suffix,
    )
    folder.parent.mkdir(exist_ok=True)
    write_store(folder, bodies(), lambda: origin)
    return folder


def request_store(samples: int, *, stream: bool = False, picture_bytes: int = PICTURE_BYTES) -> Path:
    """Return the folder of a store with this number of distinct bodies, built unless it exists."""
    folder = BUILD / f"{samples}-{picture_bytes}{'-stream' if stream else ''}.store"
    if (folder / "manifest.json").exists() and RequestStore.open(folder).manifest.count == samples:
        return folder
    settings = RequestSettings(stream=stream)
    prefix, suffix = envelope(ProductCatalogue(Prompt(system="", user="")), "m", settings)
    picture = base64.b64encode(random.Random(1).randbytes(picture_bytes)).decode()

    def bodies() -> Iterator[bytes]:
        for number in range(samples):
            turn = number * 37 % len(picture)
            url = f"data:image/JPEG;base64,{picture[turn:]}{picture[:turn]}"
            content = [
                {"type": "text", "text": f"sample {number} " + "words " * 500},
                {"type": "image_url", "image_url": {"url": url}},
            ]
            yield f"{prefix}{json.dumps([{'role': 'user', 'content': content}])}{suffix}".encode()

    print(f"making {folder} ({samples} bodies) ...", file=sys.stderr)
    folder.parent.mkdir(exist_ok=True)
    origin = StoreOrigin(benchmark="bench", model_name="m", prefix=prefix, suffix=suffix, settings=settings)
    write_store(folder, bodies(), lambda: origin)
    return folder
