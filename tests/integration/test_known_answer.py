"""Requests before a run: the recorded answer of a known one, and which token ids a server used."""

import json
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from driving import small_store
from endpoint import Endpoint, http
from typer.testing import CliRunner, Result

from weighbridge import cli
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.openai_api import Api
from weighbridge.requests.store import RequestStore
from weighbridge.run.golden_recorder import record_golden, write_golden
from weighbridge.run.preparation import known_request, prepare_server
from weighbridge.serving.golden_answer import Golden, check_golden
from weighbridge.serving.probing import warm_up
from weighbridge.serving.running_server import RunningServer
from weighbridge.serving.token_id_check import check_token_ids

SERVER = Path(__file__).parent / "model_server.py"


def config_with(fault: str, root: Path, folder: Path) -> Path:
    config = yaml.safe_load((root / "demo" / "config.yaml").read_text())
    config["server"] = {
        "executable": str(SERVER),
        "model_name": "tiny",
        "env": {"MODEL_SERVER_FAULT": fault},
        "golden": str(folder / "golden.json"),
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def test_the_answer_to_the_known_request_is_recorded(root: Path, tmp_path: Path) -> None:
    recorded = record_golden(config_with("wrong-answer", root, tmp_path), root)
    assert recorded.request_sha256 is not None
    assert recorded.model_copy(update={"request_sha256": None}) == Golden(
        sample=0, temperature=0, answer="nonsense"
    )
    assert Golden.read(tmp_path / "golden.json") == recorded


def test_no_text_is_no_known_answer(root: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"no golden answer: the server at .* answers sample 0 without"):
        record_golden(config_with("no-text", root, tmp_path), root)
    assert not (tmp_path / "golden.json").exists()


def _record(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, ["golden", "record", *map(str, arguments)])


def test_an_answer_recorded_of_an_endpoint_is_what_later_runs_compare(tmp_path: Path) -> None:
    store, golden = small_store(tmp_path / "store", 3), tmp_path / "golden.json"
    answers = ["a boot"]
    with Endpoint(lambda _: [http(_chat(answers[0]))]) as endpoint:
        done = _record(endpoint.url, "--store", store, "--sample", 2, "--output", golden)
        assert done.exit_code == 0, done.output
        assert f"{golden}: sample 2 is answered by 'a boot'" in done.output
        assert len(endpoint.bodies) == 3
        requests = RequestStore.open(store)

        def check(sample: int) -> None:
            body = bytes(requests.body(sample))
            check_golden(endpoint.url, golden, requests.manifest.api, body, None, timeout_s=5)

        check(2)
        with pytest.raises(InputError, match=r"golden\.json: was recorded for another request than sample 2"):
            check(1)
        shorter = RequestStore.open(small_store(tmp_path / "shorter", 2))
        with pytest.raises(InputError, match=r"recorded for sample 2, and the store has the samples 0 to 1"):
            known_request(golden, shorter)
        assert known_request(golden, requests) == bytes(requests.body(2))
        answers[0] = "a boat"
        with pytest.raises(SetupError, match="answers the known request wrongly: 'a boat'"):
            check(2)
        again = _record(endpoint.url, "--store", store, "--output", golden)
        assert "must not change unseen" in str(again.exception)
        missing = _record(endpoint.url, "--store", store, "--sample", 3, "--output", tmp_path / "other.json")
        assert "--sample 3: the store has the samples 0 to 2" in str(missing.exception)


def test_the_known_request_may_be_one_of_another_store(tmp_path: Path) -> None:
    own = RequestStore.open(small_store(tmp_path / "own", 3))
    other = RequestStore.open(small_store(tmp_path / "other", 2))
    golden, body = tmp_path / "golden.json", bytes(own.body(2))
    known = Golden(sample=2, temperature=0, answer="a boot", request_sha256=sha256(body).hexdigest())
    write_golden(known, golden)
    with Endpoint(lambda _: [http(_chat("a boot"))]) as endpoint:
        server = ServerSettings(
            model_name="tiny", endpoints=(endpoint.url,), golden=golden, warmup_requests=1
        )
        running = RunningServer((endpoint.url,), None, ())
        record = prepare_server(running, server, ClientSettings(), other, None, own)
        assert record.golden == "as recorded"
        asked, warmed = (json.loads(sent)["messages"] for sent in endpoint.bodies)
        assert asked == json.loads(body)["messages"]
        assert warmed == json.loads(bytes(other.body(0)))["messages"]
        with pytest.raises(InputError, match=r"recorded for sample 2, and the store has the samples 0 to 1"):
            prepare_server(running, server, ClientSettings(), other, None)


def test_a_server_that_answers_differently_each_time_has_no_golden_answer(tmp_path: Path) -> None:
    store, number = small_store(tmp_path / "store", 1), count()
    with Endpoint(lambda _: [http(_chat(f"boot {next(number) // 2}"))]) as endpoint:
        done = _record(endpoint.url, "--store", store, "--output", tmp_path / "golden.json")
    assert isinstance(done.exception, SetupError)
    assert "in 2 ways at temperature 0, asked 3 times" in str(done.exception)
    assert not (tmp_path / "golden.json").exists()


def _chat(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"id": "1", "model": "tiny", "choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("used", "refused"),
    [([7, 1, 2, 3], False), (None, False), ([1, 2, 3], True), ([7, 7, 1, 2, 3], True), ([], True)],
)
def test_a_server_that_uses_other_token_ids_than_those_sent_is_refused(
    used: list[int] | None, refused: bool
) -> None:
    choice = {"index": 0, "text": "a boot", "token_ids": [4, 5], "prompt_token_ids": used}
    answer = json.dumps({"id": "1", "model": "tiny", "choices": [choice]}).encode()
    body = b'{"model": "tiny", "prompt": [7, 1, 2, 3], "user": "sample 1"}'
    with Endpoint(lambda _: [http(answer)]) as endpoint:
        if not refused:
            warm_up(endpoint.url, Api.COMPLETIONS, [body], None, timeout_s=5)
            return
        with pytest.raises(SetupError, match=r"answers another prompt.* where 4 were sent"):
            warm_up(endpoint.url, Api.COMPLETIONS, [body], None, timeout_s=5)


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        ({"token_ids": None}, "returns no token_ids though the request has return_token_ids"),
        ({"token_ids": []}, "returns no token_ids .* vLLM 0.10.2 or newer, or an SGLang that knows"),
        ({"prompt_token_ids": None}, "returns no prompt_token_ids though"),
        ({"token_ids": None, "prompt_token_ids": None}, "no token_ids and no prompt_token_ids"),
        ({"prompt_token_ids": [1, 2, 3]}, "answers another prompt"),
        ({"token_ids": [4, 5, 6]}, "token_ids that are not the 2 tokens of its usage"),
        ({"streamed": [[], []]}, "returns no token_ids in a stream though"),
        ({"streamed": [[4], [5, 6]]}, "token_ids that are not the 2 tokens of its usage"),
        ({"streamed": None}, "does not say in 'usage' how many tokens"),
    ],
)
def test_a_server_must_answer_with_token_ids_where_they_are_the_answers(
    changes: dict[str, Any], refused: str | None
) -> None:
    streamed: list[list[int]] | None = changes.pop("streamed", [[4], [5]])
    choice = {"index": 0, "text": "a boot", "token_ids": [4, 5], "prompt_token_ids": [7, 1, 2, 3]}
    usage = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}
    answer = {"id": "1", "model": "tiny", "choices": [choice | changes], "usage": usage}
    body = b'{"model":"tiny","prompt":[7,1,2,3],"user":"sample 1","stream":true,"return_token_ids":true}'
    chunks = [{"choices": [{"index": 0, "text": "", "token_ids": ids}]} for ids in streamed or [[4, 5]]]
    events = [*chunks, {"choices": [], "usage": usage if streamed is not None else None}]
    stream = "".join(f"data: {json.dumps({'id': '1', 'model': 'tiny', **event})}\n\n" for event in events)

    answers = [
        http(json.dumps(answer).encode()),
        http(f"{stream}data: [DONE]\n\n".encode(), kind="text/event-stream"),
    ]
    with Endpoint(lambda _: [answers.pop(0)]) as endpoint:
        if refused is None:
            check_token_ids(endpoint.url, Api.COMPLETIONS, body, None, timeout_s=5)
        else:
            with pytest.raises(SetupError, match=refused):
                check_token_ids(endpoint.url, Api.COMPLETIONS, body, None, timeout_s=5)
    sent = [json.loads(each) for each in endpoint.bodies]
    asked = json.loads(body)
    assert sent == [asked | {"stream": False}, asked][: len(sent)]
    assert len(sent) == 2 or refused is not None
