"""Start a simulated server of known speed in a process of its own."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from weighbridge.config.request_settings import RequestSettings
from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.records.store_manifest import StoreOrigin
from weighbridge.requests.store import RequestStore, write_store
from weighbridge.simulate.behaviour import Behaviour, body_hash
from weighbridge.simulate.known_letters import LetterRates

EOS_ID = 2
"""The last id of every answer of `token_answers`."""

CODE = """
import json, pathlib, sys
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_answers import KnownAnswers, KnownBody, SimulatedAnswer
from weighbridge.simulate.simulated_server import serve
behaviour, known, sent_log = json.loads(sys.stdin.read())
def answer(text, ids):
    return SimulatedAnswer(text, None if ids is None else bytes.fromhex(ids))
bodies = {int(key): KnownBody(sample, answer(*right), answer(*wrong)) for key, sample, right, wrong in known}
serve(
    Behaviour.parse(behaviour, "test"),
    KnownAnswers("tiny", bodies),
    sent_log=sent_log and pathlib.Path(sent_log),
    ready=lambda url: print(url, flush=True),
)
"""

# Sample, and text and ids (int32 in hex) of the right and the wrong answer, by hash of a body.
Known = Mapping[int, tuple[int, tuple[str, str | None], tuple[str, str | None]]]


@contextlib.contextmanager
def simulated(
    behaviour: Behaviour,
    texts: Mapping[int, tuple[str, str]] | None = None,
    *,
    known: Known | None = None,
    sent_log: Path | None = None,
) -> Iterator[str]:
    """Serve; yield the URL. `known` is from `token_answers`; `texts` are answers without ids, by body."""
    bodies = dict(known or {})
    for number, (key, (right, wrong)) in enumerate((texts or {}).items()):
        bodies[key] = (number, (right, None), (wrong, None))
    process = subprocess.Popen(
        [sys.executable, "-c", CODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    described = [[key, *answers] for key, answers in bodies.items()]
    with process.stdin as stdin:
        json.dump([behaviour.model_dump(), described, str(sent_log) if sent_log else None], stdin)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()


@contextlib.contextmanager
def any_length(behaviour: Behaviour | None = None, model_name: str = "simulated") -> Iterator[str]:
    """Serve any request with as many tokens as it asks for; yield the server's URL."""
    described = (behaviour or Behaviour()).model_dump_json()
    with _started("simulate", "--model-name", model_name, "--behaviour", described) as url:
        yield url


@contextlib.contextmanager
def answering_questions(
    questions: Path,
    rates: LetterRates | None = None,
    *,
    model: Path | None = None,
    model_name: str = "simulated",
    behaviour: Behaviour | None = None,
) -> Iterator[str]:
    """Answer multiple-choice questions with known letters; yield the server's URL.

    Args:
        questions: Folder of the questions.
        rates: How they are answered; `known_letters` says with which letter each.
        model: Folder of the tokenizer, without which completions are refused.
        model_name: Name of the model.
        behaviour: Speed and failures.
    """
    options = {
        "--questions": str(questions),
        "--letters": (rates or LetterRates()).model_dump_json(),
        "--model-name": model_name,
        "--behaviour": (behaviour or Behaviour()).model_dump_json(),
        **({} if model is None else {"--model": str(model)}),
    }
    with _started("simulate", *(each for option in options.items() for each in option)) as url:
        yield url


@contextlib.contextmanager
def _started(*arguments: str) -> Iterator[str]:
    """Start the program; yield the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "weighbridge", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()


def token_store(out: Path, samples: int, *, asks_for_ids: bool = True) -> Path:
    """Write a store of completion requests with token ids, which are sent streamed or not."""
    settings = RequestSettings()
    asked = ',"return_token_ids":true' if asks_for_ids else ""
    prefix, suffix = '{"model":"tiny","prompt":', f',"max_tokens":128{asked}}}'
    streamed = suffix[:-1] + ',"stream":true,"stream_options":{"include_usage":true}}'
    origin = StoreOrigin(
        benchmark="b",
        api=Api.COMPLETIONS,
        answers=AnswerKind.TOKENS,
        model_name="tiny",
        settings=settings,
        prefix=prefix,
        suffix=suffix,
        streamed=(prefix, streamed),
    )
    prompts = (
        json.dumps([1, 5 + number, *range(10, 40)], separators=(",", ":")) for number in range(samples)
    )
    write_store(out, (f"{prefix}{prompt}{suffix}".encode() for prompt in prompts), lambda: origin)
    return out


def token_answers(store: Path, lengths: Sequence[int]) -> Known:
    """Return answers with token ids to the bodies of a store, streamed or not.

    Sample n has lengths[n % len(lengths)] tokens; its right ids are `ids_of(n, length)`, and the wrong ones
    are the same from 1,000,000 on.
    """
    forms = [RequestStore.open(store)]
    if forms[0].manifest.streamed is not None:
        forms.append(RequestStore.open(store, streamed=True))
    known = {}
    for sample in range(len(forms[0])):
        length = lengths[sample % len(lengths)]
        text = f"answer to {sample} " + "ü" * length
        right, wrong = (_hex(ids_of(sample, length, start)) for start in (1000, 1_000_000))
        for requests in forms:
            known[body_hash(requests.sent(sample))] = (sample, (text, right), (f"no {text}", wrong))
    return known


def ids_of(sample: int, length: int, start: int = 1000) -> list[int]:
    """Return the ids of the right answer to a sample by `token_answers`: no two samples have the same."""
    return [*range(start + sample * 1000, start + sample * 1000 + length - 1), EOS_ID]


def _hex(ids: Sequence[int]) -> str:
    return np.array(ids, dtype="<i4").tobytes().hex()


def stamps_and_truth(run: Path, sent_log: Path) -> pd.DataFrame:
    """Pair a run's requests.parquet with the server's log of the times at which it sent the answers.

    Requests of one sample are paired in their order. Columns of the log have the prefix `true_`. The log is
    complete after the server's end.
    """
    truth = pd.read_csv(sent_log).query("sample >= 0").sort_values("arrived_ns")
    rows = pd.read_parquet(run / "requests.parquet").sort_values("sent_ns")
    for table in (truth, rows):
        table["turn"] = table.groupby("sample").cumcount()
    found = rows.merge(
        truth.add_prefix("true_"), left_on=["sample", "turn"], right_on=["true_sample", "true_turn"]
    )
    assert len(found) == len(rows)
    return found
