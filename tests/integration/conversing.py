"""Helpers for tests of runs of conversations: stores written by hand, and one run against a server."""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from test_load_faults import client_processes

from weighbridge.client.conversation_issuer import ConversationIssuer
from weighbridge.client.conversation_schedule import TURN_BITS
from weighbridge.client.issuer import Target
from weighbridge.client.sample_counts import SampleCounts
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.load_level import LoadLevel
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.records.run_record import LoadReport
from weighbridge.requests.bodies import BODIES_FILE, INDEX_FILE
from weighbridge.requests.holes import HOLES_FILE
from weighbridge.requests.run_phase import RunPhase
from weighbridge.requests.sent_form import SentForm
from weighbridge.requests.sent_requests import SentRequests
from weighbridge.requests.turns import TURN_TYPE, Turns


@dataclass(frozen=True)
class HandMade:
    """Requests that a test wrote by hand."""

    path: Path
    sizes: tuple[int, ...]
    form: SentForm
    model_name: str = "tiny"
    api: Api = Api.CHAT
    answers: AnswerKind = AnswerKind.GENERATED

    def __len__(self) -> int:
        return len(self.sizes)

    def sent_sizes(self) -> Any:
        return np.array(self.sizes) + self.form.longer


BEFORE = b'{"model":"tiny",'


def hand_made(folder: Path, bodies: Sequence[bytes], *, stream: bool = False) -> HandMade:
    """Write bodies; `@hole:N@` in one stands for the answer to request N."""
    folder.mkdir(parents=True)
    stored, holes = [], []
    for request, body in enumerate(bodies):
        parts = re.split(rb"@hole:(\d+)@", body)
        text = parts[0]
        for answered, more in zip(parts[1::2], parts[2::2], strict=True):
            holes.append((request, len(text), int(answered)))
            text += more
        stored.append(text)
    (folder / BODIES_FILE).write_bytes(b"".join(stored))
    ends = np.cumsum([0, *map(len, stored)])
    (folder / INDEX_FILE).write_bytes(ends.astype("<i8").tobytes())
    (folder / HOLES_FILE).write_bytes(b"".join(struct.pack("<3q", *hole) for hole in holes))
    return HandMade(folder, tuple(map(len, stored)), SentForm(stream, ("", ""), BEFORE))


def single_turns(counts: tuple[int, int, int], rate: float = 100) -> Turns:
    turns = np.zeros(sum(counts), dtype=TURN_TYPE)
    turns["request"] = turns["conversation"] = np.arange(len(turns))
    turns["phase"] = np.repeat(list(RunPhase), counts)
    turns["due_s"] = np.arange(len(turns)) / rate
    return turns


def simple(folder: Path, count: int, *, stream: bool = False) -> HandMade:
    bodies = [b'"messages":[{"role":"user","content":"sample %d"}]}' % number for number in range(count)]
    return hand_made(folder, bodies, stream=stream)


def run(
    requests: SentRequests,
    url: str,
    out: Path,
    turns: Turns,
    level: LoadLevel,
    observe: Callable[[SampleCounts], str | None] | None = None,
    *,
    error_abort: float = 0.05,
    seconds: float | None = None,
    **client: object,
) -> tuple[LoadReport, pd.DataFrame]:
    """Run conversations; return the report, and the rows by their number."""
    issuer = ConversationIssuer("test", level, turns, error_abort=error_abort, seconds=seconds)
    issuer.check()
    settings = ClientSettings.parse({"connections": 64, "workers": 2, **client}, "test")
    report = issuer.issue(Target((url,), requests, settings), out, observe)
    assert not client_processes()
    left = {path.name for path in out.iterdir()}
    assert left - {"requests.bin"} == {"requests.parquet", "errors.jsonl"}
    rows = pd.read_parquet(out / "requests.parquet").sort_values("number", ignore_index=True)
    rows["serial"], rows["turn"] = rows.number // (1 << TURN_BITS), rows.number % (1 << TURN_BITS)
    return report, rows
