"""Whatever a server writes, LoadGen gets the very bytes of the answer, or an honest failure."""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from answer_kinds import LOADGEN_KINDS as KINDS
from answer_kinds import Kind
from driving import STREAM, Run, run_against, small_round
from endpoint import End, Endpoint, Step, answer, chunked, completion, events, http

from weighbridge.client.issuer import Target
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
from weighbridge.requests.store import RequestStore

TEXTS = [
    "plain",
    "Übergröße 漢字 🥾 \u2028 e\u0301",
    "a\x00b\x00",
    "  spaces \n and\ttabs\r\n ",
    '{"category": "A > B", "brand": "\\"x\\"", "is_secondhand": false}',
    "x" * 1_000_000,
    "ü" * 300_000,
    "\ufeff\ufffd\U0010ffff",
]


def failed_by(run: Run) -> dict[int, object]:
    return {int(str(error["sample"])): error["kind"] for error in run.errors}


CHAT, COMPLETIONS, CHAT_IDS, IDS = KINDS
KIND_NAMES = [f"{kind.api}-{kind.answers}" for kind in KINDS]


def ids_of(sample: int) -> list[int]:
    return [sample, 1 << 16, (1 << 31) - 1, *range(10 * sample)]


def packed(*ids: int) -> bytes:
    return b"".join(each.to_bytes(4, "little") for each in ids)


@pytest.mark.parametrize(
    ("scenario", "workers", "kind"),
    [
        ("offline", 1, CHAT),
        ("offline", 3, COMPLETIONS),
        ("server", 1, COMPLETIONS),
        ("server", 3, CHAT),
        ("offline", 2, IDS),
        ("server", 1, IDS),
        ("server", 1, CHAT_IDS),
    ],
)
def test_every_answer_arrives_byte_by_byte(scenario: str, workers: int, kind: Kind, tmp_path: Path) -> None:
    api = kind.api

    def script(sample: int) -> Sequence[Step]:
        ids = ids_of(sample)
        return answer(TEXTS[sample % 8], len(ids) if kind.of_tokens else 3, api, ids=ids)

    with Endpoint(script) as endpoint:
        run = run_against(
            [endpoint], tmp_path, 40, scenario=scenario, workers=workers, api=api, answers=kind.answers
        )
    assert all(head.startswith(f"POST {api.path} HTTP/1.1\r\n".encode()) for head in endpoint.heads)
    expected = (
        {sample: packed(*ids_of(sample)) for sample in range(40)}
        if kind.of_tokens
        else {sample: TEXTS[sample % 8].encode() for sample in range(40)}
    )
    assert run.answers == expected
    assert run.report.completed == run.report.issued == 40
    assert run.report.failures == 0
    assert run.report.aborted is None
    assert run.errors == []
    assert sorted(endpoint.seen) == list(range(40))


def test_escaped_json_is_the_same_text(tmp_path: Path) -> None:
    escaped = json.dumps(
        {
            "model": "tiny",
            "choices": [{"message": {"content": "漢\x00🥾"}}],
            "usage": {"completion_tokens": 1},
        }
    )
    with Endpoint(lambda _: [http(escaped.encode())]) as endpoint:
        run = run_against([endpoint], tmp_path, 4)
    assert set(run.answers.values()) == {"漢\x00🥾".encode()}


FORMS: dict[str, Sequence[Step]] = {
    "chunked": [chunked(*(bytes([byte]) for byte in completion("ü")))],
    "closed by a header": [http(completion("ü"), 200, "Connection: close"), End.CLOSE],
    "until the connection closes": [b"HTTP/1.1 200 OK\r\n\r\n" + completion("ü"), End.CLOSE],
    "HTTP/1.0": [http(completion("ü")).replace(b"HTTP/1.1", b"HTTP/1.0"), End.CLOSE],
    "interim answers first": [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", 0.01, *answer("ü")],
    "lower-case header names": [http(completion("ü")).replace(b"Content-Length", b"content-length")],
}
FORMS["a slow head"] = [step for byte in http(completion("ü"))[:60] for step in (bytes([byte]), 0.001)] + [
    http(completion("ü"))[60:]
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_http_answer_is_understood(form: str, tmp_path: Path) -> None:
    with Endpoint(lambda _: FORMS[form]) as endpoint:
        run = run_against([endpoint], tmp_path, 20, connections=4)
    assert run.report.failed == {}
    assert set(run.answers.values()) == {"ü".encode()}


def test_an_answer_may_be_cut_anywhere(tmp_path: Path) -> None:
    whole = http(completion("ü🥾"), 200, "X-Filler: y")
    with Endpoint(lambda at: [whole[:at], 0.002, whole[at:]]) as endpoint:
        run = run_against([endpoint], tmp_path, len(whole), connections=64)
    assert run.report.failed == {}
    assert set(run.answers.values()) == {"ü🥾".encode()}


@pytest.mark.parametrize("kind", [CHAT, IDS], ids=str)
def test_a_stream_may_be_cut_at_every_byte(kind: Kind, tmp_path: Path) -> None:
    texts, ids = ("ü", "", "🥾\n", "data: x"), [[1, 1 << 30], [77], [], [3]]
    tokens = sum(map(len, ids))
    stream = events(*texts, api=kind.api, tokens=tokens, request_id="of-the-server", ids=ids)
    stream = stream.replace(json.dumps(list(range(300))).encode(), b"[1, 2]")  # there is enough to cut
    pieces = lambda at: chunked(*(piece for piece in (stream[:at], stream[at:]) if piece))  # noqa: E731
    with Endpoint(lambda at: [pieces(at)[: at + 60], 0.002, pieces(at)[at + 60 :]]) as endpoint:
        run = run_against(
            [endpoint],
            tmp_path,
            len(stream),
            stream=True,
            connections=64,
            api=kind.api,
            answers=kind.answers,
        )
    assert run.report.failed == {}
    expected = packed(1, 1 << 30, 77, 3) if kind.of_tokens else "ü🥾\ndata: x".encode()
    assert set(run.answers.values()) == {expected}
    table = pq.read_table(run.out / "requests.parquet").to_pandas()
    assert set(table["tokens"]) == {tokens}
    assert (table["first_ns"] <= table["end_ns"]).all()


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_first_tokens_reach_loadgen(kind: Kind, tmp_path: Path) -> None:
    api = kind.api
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    # Of token ids, an event with a text and no ids is not the first token.
    before = events("x", tokens=None, done=False, api=api, ids=[None]) if kind.of_tokens else b": ping\n\n"
    first = events("one ", tokens=None, done=False, api=api, ids=[[5, 6]])
    rest = events("", "two", tokens=4 if kind.of_tokens else 7, api=api, ids=[[7], [8]])

    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data)

    with Endpoint(
        lambda _: [head, chunk(before), 0.1, chunk(first), 0.1, chunk(rest), b"0\r\n\r\n"]
    ) as endpoint:
        run = run_against(
            [endpoint],
            tmp_path,
            20,
            stream=True,
            scenario="server",
            mode=Mode.PERFORMANCE,
            token_latencies=True,
            api=api,
            answers=kind.answers,
        )
    assert run.report.failed == {}
    assert run.log_errors == []
    table = pq.read_table(run.out / "requests.parquet").to_pandas()
    assert ((table["first_ns"] - table["sent_ns"]) / 1e9).min() > 0.09
    first_s = run.logged["result_first_token_mean_latency_ns"] / 1e9
    assert 0.09 < first_s < run.logged["result_mean_latency_ns"] / 1e9
    kept = [json.loads(line) for line in (run.out / "sampled_answers.jsonl").read_text().splitlines()]
    assert len(kept) == 20
    expected = {"tokens": [5, 6, 7, 8]} if kind.of_tokens else {"text": "one two"}
    assert all(line == {"sample": line["sample"], **expected} for line in kept)


@pytest.mark.parametrize("scenario", ["server", "singlestream"])
@pytest.mark.parametrize("kind", [CHAT, IDS], ids=str)
def test_an_accuracy_log_has_first_tokens_beside_answers(kind: Kind, scenario: str, tmp_path: Path) -> None:
    ids = [[11], [12, 13], [2]]
    stream = chunked(events("a", "b", "", tokens=4, api=kind.api, ids=ids))
    with Endpoint(lambda _: [stream]) as endpoint:
        run = run_against(
            [endpoint],
            tmp_path,
            10,
            stream=True,
            scenario=scenario,
            token_latencies=True,
            api=kind.api,
            answers=kind.answers,
        )
    assert run.log_errors == []
    entries = json.loads((run.out / "mlperf_log_accuracy.json").read_text())
    assert len(entries) == 10
    for entry in entries:
        data, first = bytes.fromhex(entry["data"]), bytes.fromhex(entry["token_data"])
        assert entry["token_count"] == 4
        assert data == (packed(11, 12, 13, 2) if kind.of_tokens else b"ab")
        assert first
        assert data.startswith(first)


@pytest.mark.parametrize("scenario", ["offline", "server", "singlestream"])
def test_one_store_is_sent_streamed_or_not_as_the_scenario_needs(scenario: str, tmp_path: Path) -> None:
    def script(_sample: int) -> Sequence[Step]:
        if b'"stream"' in endpoint.bodies[-1]:
            return [chunked(events("a", "b", tokens=3, api=IDS.api, ids=[[1, 2], [3]]))]
        return answer("ab", 3, IDS.api, ids=[1, 2, 3])

    around = '{"model":"tiny","n":1,"prompt":', ',"x":"y"' + STREAM
    with Endpoint(script) as endpoint:
        run = run_against(
            [endpoint],
            tmp_path,
            12,
            scenario=scenario,
            mode=Mode.PERFORMANCE,
            token_latencies=True,
            api=IDS.api,
            answers=IDS.answers,
            streamed=around,
            # Of SingleStream LoadGen plans as many as it expects, and there may be no fewer.
            target_qps=20000 if scenario == "singlestream" else 200,
        )
    assert (run.report.failed, run.log_errors) == ({}, [])
    before, after = ('{"model":"tiny","prompt":', "}") if scenario == "offline" else around
    expected = {f'{before}"sample {number} "{after}'.encode() for number in range(12)}
    assert set(endpoint.bodies) == expected
    assert run.report.sent_bytes == sum(map(len, endpoint.bodies))


def test_a_store_that_cannot_be_streamed_is_refused_where_tokens_are_timed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says nothing of streamed requests"):
        run_against(["http://127.0.0.1:9"], tmp_path, 5, scenario="server", token_latencies=True)
    round_ = small_round(5, token_latencies=True)
    issuer = LoadGenIssuer(round_, round_.scenarios["server"], Mode.ACCURACY, 10)
    target = Target(("http://127.0.0.1:9",), RequestStore.open(tmp_path / "store"), ClientSettings())
    with pytest.raises(InputError, match="opened for answers that are not streamed"):
        issuer.issue(target, tmp_path / "run")


def forms_of(kind: Kind) -> tuple[Callable[..., bytes], Callable[..., list[Step]]]:
    """Return what makes whole answers, bodies and responses, of three tokens."""
    more = {"api": kind.api, "ids": [1, 2, 3] if kind.of_tokens else None}
    return partial(completion, **more), partial(answer, **more)


def stream_events(kind: Kind, *pieces: str, ids: Sequence[object] | None = None, **more: object) -> bytes:
    """Make the events of a stream of three tokens, all in the first one unless it is said."""
    if kind.of_tokens and ids is None:
        ids = [[1, 2, 3], *([] for _ in pieces[1:])]
    return events(*pieces, api=kind.api, ids=ids, **more)


def bad_answers(kind: Kind) -> dict[str, tuple[Sequence[Step], str]]:
    """Make answers that are failures, each with the outcome that it must be counted as."""
    completion, answer = forms_of(kind)
    good = completion("x")
    nested = good[:-1] + b', "x": ' + b"[" * 9999 + b"]" * 9999 + b"}"
    if kind.of_tokens:
        of_kind = {
            "no ids": (answer("x", ids=None), "no_token_ids"),
            "empty": (answer("x", ids=[]), "no_token_ids"),
            "one id too many": (answer("x", ids=[1, 2, 3, 4]), "other_token_count"),
            "one too few": (answer("x", ids=[1, 2]), "other_token_count"),
            "an id of 32 bits": (answer("x", ids=[1, 2, 1 << 31]), "malformed"),
            "an id below 0": (answer("x", ids=[1, 2, -1]), "malformed"),
            "a text for ids": (answer("x", ids="123"), "malformed"),
        }
    else:
        of_kind = {
            "null": (answer(None), "null_content"),
            "empty": (answer(""), "empty"),
            "blank": (answer(" \n\t\u3000"), "blank"),
        }
    return of_kind | {
        "429": ([http(b'{"error": "slow down"}', 429)], "http_status"),
        "500": ([http(b"", 500)], "http_status"),
        "503 and gone": ([http(b"overloaded", 503), End.CLOSE], "http_status"),
        "no JSON": ([http(b"<html>")], "malformed"),
        "half the JSON": ([http(good[:-5])], "malformed"),
        "no choices": ([http(b'{"choices": []}')], "malformed"),
        "no UTF-8": ([http(good.replace(b'"x"', b'"\xff"'))], "malformed"),
        "half a surrogate": ([http(good.replace(b'"x"', rb'"\ud800"'))], "malformed"),
        "a number for a text": ([http(completion(3))], "malformed"),
        "no HTTP": ([b"220 smtp ready\r\n", End.CLOSE], "malformed"),
        "no usage": (answer("x", None), "missing_usage"),
        "no tokens": (answer("x", 0), "impossible_usage"),
        "fewer than none": (answer("x", -5), "impossible_usage"),
        "33 bits of tokens": (answer("x", 1 << 32), "impossible_usage"),
        "31 bits of tokens": (answer("x", 1 << 31), "impossible_usage"),
        "a huge prompt": (answer("x", 3, prompt_tokens=10**40), "impossible_usage"),
        "half a token": (answer("x", 0.5), "malformed"),
        "another model": (answer("x", model="tiny-2"), "other_model"),
        "no model": (answer("x", model=None), "other_model"),
        "nested without end": ([http(nested)], "malformed"),
        "two answers at once": ([2 * http(good)], "malformed"),
        "a status of five digits": ([http(good, 20000)], "malformed"),
        "cut in the body": ([http(good)[:-5], End.CLOSE], "reset"),
        "cut in the head": ([b"HTTP/1.1 200 OK\r\nContent-", End.CLOSE], "reset"),
        "reset": ([End.RESET], "reset"),
        "closed without a word": ([End.CLOSE], "reset"),
        "cut within a chunk": ([chunked(good)[:-20], End.CLOSE], "reset"),
        "silence": ([End.HANG], "timeout"),
        "half and silence": ([http(good)[:-5], End.HANG], "timeout"),
    }


@pytest.mark.parametrize(("scenario", "kind"), [("offline", CHAT), ("server", COMPLETIONS), ("offline", IDS)])
def test_every_failure_is_counted_by_kind_and_never_sent_again(
    scenario: str, kind: Kind, tmp_path: Path
) -> None:
    scripts = list(bad_answers(kind).values())
    _, answer = forms_of(kind)
    samples = 2 * len(scripts)

    def script(sample: int) -> Sequence[Step]:
        return scripts[sample // 2][0] if sample % 2 else answer(f"good {sample}")

    with Endpoint(script) as endpoint:
        run = run_against(
            [endpoint],
            tmp_path,
            samples,
            scenario=scenario,
            api=kind.api,
            answers=kind.answers,
            request_timeout_s=2,
        )
    assert failed_by(run) == {2 * number + 1: kind for number, (_, kind) in enumerate(scripts)}
    expected = [kind for _, kind in scripts]
    assert run.report.failed == {kind: expected.count(kind) for kind in expected}
    assert run.report.completed == samples // 2
    assert sorted(endpoint.seen) == list(range(samples))
    good = packed(1, 2, 3) if kind.of_tokens else None
    assert run.answers == {
        sample: b"" if sample % 2 else good or f"good {sample}".encode() for sample in range(samples)
    }


def bad_streams(kind: Kind) -> dict[str, tuple[Sequence[Step], str]]:
    """Make streams that are failures, each with the outcome that it must be counted as."""
    events, whole = partial(stream_events, kind), forms_of(kind)[0]
    if kind.of_tokens:
        of_kind = {
            "no ids": ([chunked(events("x", ids=[None]))], "no_token_ids"),
            "one id too few": ([chunked(events("x", "y", ids=[[1], [2]]))], "other_token_count"),
            "an id of 32 bits": ([chunked(events("x", ids=[[1, 2, 1 << 31]]))], "malformed"),
            "an id below 0": ([chunked(events("x", ids=[[1, 2, -1]]))], "malformed"),
            "a text for an id": ([chunked(events("x", "y", ids=[[1, 2], ["3"]]))], "malformed"),
        }
    else:
        of_kind = {
            "no text": ([chunked(events(""))], "empty"),
            "blank": ([chunked(events(" ", "\n"))], "blank"),
        }
    return of_kind | {
        "no end": ([chunked(events("x", done=False))], "malformed"),
        "no JSON": ([chunked(b"data: {\n\n" + events("x"))], "malformed"),
        "an error event": (
            [chunked(b'data: {"error": {"message": "out of memory"}}\n\ndata: [DONE]\n\n')],
            "malformed",
        ),
        "no stream": ([http(whole("x"))], "malformed"),
        "another model": ([chunked(events("x", model="tiny-2"))], "other_model"),
        "a model that changes": (
            [chunked(events("x", done=False) + events("y", model="tiny-2"))],
            "other_model",
        ),
        "an id that changes": (
            [chunked(events("x", done=False) + events("y", request_id="of-another"))],
            "other_request",
        ),
        "two streams": ([chunked(2 * events("x"))], "malformed"),
        "two streams at once": ([2 * chunked(events("x"))], "malformed"),
        "33 bits of tokens": ([chunked(events("x", tokens=1 << 32))], "impossible_usage"),
        "no usage": ([chunked(events("x", tokens=None))], "missing_usage"),
        "cut": ([chunked(events("x"))[:60], End.CLOSE], "reset"),
        "500": ([http(b"{}", 500)], "http_status"),
    }


@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_every_failure_of_a_stream_is_counted_by_kind(kind: Kind, tmp_path: Path) -> None:
    scripts = list(bad_streams(kind).values())
    with Endpoint(lambda sample: scripts[sample][0]) as endpoint:
        run = run_against([endpoint], tmp_path, len(scripts), stream=True, api=kind.api, answers=kind.answers)
    assert failed_by(run) == {number: kind for number, (_, kind) in enumerate(scripts)}


def test_the_evidence_names_status_and_first_bytes(tmp_path: Path) -> None:
    with Endpoint(lambda _: [http(b'{"error": "no room"}' + b"x" * 10_000, 503)]) as endpoint:
        run = run_against([endpoint], tmp_path, 3)
    for error in run.errors:
        assert error["status"] == 503
        assert error["endpoint"] == endpoint.url
        assert str(error["evidence"]).startswith('{"error": "no room"}x')
        assert len(str(error["evidence"])) < 3000


def test_a_key_that_a_server_repeats_is_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = 'q7-"quoted"-0123456789'
    monkeypatch.setenv("KEY_OF_THIS_TEST", key)
    texts = [f"no: {key}", json.dumps({"error": f"no: {key}"}), "x" * 2030 + key, "no: Bearer abcdefghijkl"]
    with Endpoint(lambda sample: [http(texts[sample].encode(), 401)]) as endpoint:
        run = run_against([endpoint], tmp_path, len(texts), api_key_env="KEY_OF_THIS_TEST")
    assert all(f"Bearer {key}".encode() in head for head in endpoint.heads)
    assert len(run.errors) == len(texts)
    assert all(str(error["evidence"]).endswith(("***", '***"}')) for error in run.errors)
    for path in run.out.iterdir():
        content = path.read_bytes()
        assert key[:9].encode() not in content, path
        if path.name in ("errors.jsonl", "mlperf_log_accuracy.json", "mlperf_log_detail.txt"):
            assert path.stat().st_mode & 0o777 == 0o600, path


def test_a_tenth_that_always_fails_is_seen_though_loadgen_says_valid(tmp_path: Path) -> None:
    def script(sample: int) -> Sequence[Step]:
        return [0.15, http(b"", 500)] if sample % 10 == 3 else [0.15, *answer("x")]

    with Endpoint(script) as endpoint:
        run = run_against([endpoint], tmp_path, 100, mode=Mode.PERFORMANCE, target_qps=10)
    assert run.report.failed == {"http_status": 10}
    assert run.report.completed == 90
    assert "Result is : VALID" in run.summary
    assert len(endpoint.seen) == 100


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=KIND_NAMES)
def test_the_table_has_what_each_answer_says_of_itself(kind: Kind, stream: bool, tmp_path: Path) -> None:
    finishes = ["stop", "length", "content_filter", None]

    def script(sample: int) -> Sequence[Step]:
        says = {"finish": finishes[sample % 4], "prompt_tokens": 10 * sample}
        if sample % 2:
            says["request_id"] = "of-the-server"
        if stream:
            return [chunked(stream_events(kind, "a", "b", **says))]
        return forms_of(kind)[1]("ab", **says)

    with Endpoint(script) as endpoint:
        run = run_against([endpoint], tmp_path, 12, stream=stream, api=kind.api, answers=kind.answers)
    assert run.report.failed == {}
    table = pq.read_table(run.out / "requests.parquet").to_pandas().sort_values("sample")
    assert table["prompt_tokens"].tolist() == [10 * sample for sample in range(12)]
    assert table["finish"].tolist() == ["stop", "length", "other", "not_told"] * 3
    assert table["id_echoed"].tolist() == [1, 0] * 6
    assert set(table["tokens"]) == {3}


def test_every_request_has_an_id_of_its_own_and_no_run_has_those_of_another(tmp_path: Path) -> None:
    with Endpoint(lambda _: answer("x")) as endpoint:
        for number in range(2):
            run_against([endpoint], tmp_path / str(number), 20, workers=2)
    ids = [re.search(rb"\r\nX-Request-Id: ([0-9a-z]+)\r\n", head)[1] for head in endpoint.heads]
    assert len(set(ids)) == 40
    assert len({each[:16] for each in ids}) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [CHAT, IDS], ids=str)
def test_answers_that_a_proxy_shifts_by_one_request_are_failures(
    kind: Kind, stream: bool, tmp_path: Path
) -> None:
    # It sent one answer twice; since then each request gets the answer to the one before it.
    seen: list[bytes] = []

    def shifted(_sample: int) -> Sequence[Step]:
        seen.append(re.search(rb"X-Request-Id: (\w+)", proxy.heads[-1])[1].ljust(40, b"."))
        echoed = seen[-2 if len(seen) > 1 else -1].decode()
        if stream:
            return [chunked(stream_events(kind, "an answer", request_id=echoed))]
        return forms_of(kind)[1]("an answer", request_id=echoed)

    with Endpoint(shifted) as proxy:
        run = run_against(
            [proxy], tmp_path, 30, stream=stream, connections=1, api=kind.api, answers=kind.answers
        )
    assert run.report.failed == {"other_request": 29}
    assert all("is that of another request" in str(error["evidence"]) for error in run.errors)


def test_the_evidence_says_what_was_expected(tmp_path: Path) -> None:
    scripts = [answer("x", model="llama"), answer("x", model=None), answer("x" * 9000, -5)]
    with Endpoint(lambda sample: scripts[sample]) as endpoint:
        run = run_against([endpoint], tmp_path, 3)
    by_sample = {int(str(error["sample"])): str(error["evidence"]) for error in run.errors}
    assert by_sample[0].startswith("the answer is by the model 'llama', asked for was 'tiny': {")
    assert by_sample[1].startswith("the answer names no model, asked for was 'tiny': {")
    assert by_sample[2].startswith("-5 tokens, 7 of the prompt, are impossible: {")
