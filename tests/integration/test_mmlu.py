"""MMLU by the real harness, from the command to the answers, against endpoints whose truth is known."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import pytest
from asking_mmlu import MODEL, MODEL_NAME, PYTHON, Asking, Data, answered_by, make_data, refusing
from simulating import answering_questions

from weighbridge.monitor.follow import read_statuses
from weighbridge.quality.answer_files import read_answers
from weighbridge.quality.questions import read_questions
from weighbridge.records.progress_record import Phase
from weighbridge.records.quality_answers import ANSWERS_FOLDER, MEASURED, RequestCounts, SubjectAnswers
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_letters import LetterRates, known_letters

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs .venv-quality: make setup-quality")

QUESTIONS = 8
RATES = LetterRates(rate=0.5, rates={"made_up_words": 0.75, "made_up_trade": 0.0}, unreadable=0.25)
KEY = "sk-the-secret-key-of-this-test-0123456789"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return make_data(tmp_path_factory.mktemp("data"), QUESTIONS)


@pytest.fixture(scope="module")
def url(data: Data) -> Iterator[str]:
    with answering_questions(data.questions, RATES, model=MODEL, model_name=MODEL_NAME) as found:
        yield found


@pytest.fixture(scope="module")
def flaky_url(data: Data) -> Iterator[str]:
    """Serve each request only at its second attempt; the first fails in any way that may pass."""
    shares = {"status_503": 0.37, "status_429": 0.2, "malformed": 0.2, "reset": 0.1, "cut": 0.1, "hang": 0.03}
    behaviour = Behaviour.parse({"failures": shares, "failing_attempts": 1}, "test")
    with answering_questions(
        data.questions, RATES, model=MODEL, model_name=MODEL_NAME, behaviour=behaviour
    ) as found:
        yield found


def check_letters(answers: tuple[SubjectAnswers, ...], data: Data, *, chat: bool) -> None:
    """Check each answer, and so every accuracy, against what the server is known to say."""
    questions = read_questions(data.questions)
    known = known_letters(questions, RATES, chat=chat)
    assert {each.subject for each in answers} == questions.subjects.keys()
    for subject in answers:
        said = known[subject.subject]
        assert [each.prediction for each in subject.questions] == list(said)
        right = [
            question.answer == "ABCD".find(letter or "-")
            for question, letter in zip(questions.subjects[subject.subject].test, said, strict=True)
        ]
        assert subject.harness_accuracy == sum(right) / len(right)
        assert [each.correct for each in subject.questions] == right


def test_log_likelihoods_of_two_endpoints_give_the_known_accuracies(
    data: Data, url: str, tmp_path: Path
) -> None:
    with answering_questions(data.questions, RATES, model=MODEL, model_name=MODEL_NAME) as other_url:
        asking = Asking(tmp_path, data, (url, other_url))
        code, lines = asking.run()
        assert code == 0, lines
        shares = [answered_by(each) for each in (url, other_url)]
        assert sum(shares) == 4 * QUESTIONS * 4
        assert min(shares) > 0.2 * sum(shares)
    found = read_answers(asking.out)
    check_letters(found.subjects, data, chat=False)
    assert found.measured.counts == RequestCounts(requests=4 * QUESTIONS * 4)
    assert found.measured.server.version is not None
    for question in (each for subject in found.subjects for each in subject.questions):
        assert question.requests == 4
        assert 0 < question.latency_ms < 60_000
        assert question.output_tokens == 4
        assert question.prompt_tokens is not None
        assert question.prompt_tokens > 4 * 100
        assert question.log_probabilities is not None
        likeliest = question.log_probabilities.index(max(question.log_probabilities))
        assert "ABCD"[likeliest] == question.prediction
    # Lines of ours alone: neither bars nor what the harness says of itself.
    first, second, *subjects, last = lines
    assert first.endswith("the server does not report its context, so the lengths of prompts are not checked")
    assert second == "INFO 32 questions of 4 subjects"
    assert {line.partition(":")[0] for line in subjects} == {
        f"INFO {each}" for each in found.measured.answers
    }
    assert last == f"INFO {MODEL_NAME} answered 128 requests (0 retries); its answers are in {asking.out}"
    # Nothing is left of the harness, at home or elsewhere.
    assert {path.name for path in asking.written()} == {
        *(f"{subject}.json" for subject in found.measured.answers),
        MEASURED,
        "progress.json",
    }
    [status] = read_statuses(tmp_path)
    assert status.state.phase is Phase.DONE
    assert "32 of 32 questions" in status.state.detail


def test_a_chat_gives_the_known_accuracies_and_counts_every_retry(
    data: Data, flaky_url: str, tmp_path: Path
) -> None:
    asking = Asking(tmp_path, data, (flaky_url,), mmlu={"protocol": "chat", "timeout_s": 4})
    code, lines = asking.run()
    assert code == 0, lines
    found = read_answers(asking.out)
    check_letters(found.subjects, data, chat=True)
    requests = 4 * QUESTIONS
    counts = found.measured.counts
    assert (counts.requests, counts.retries) == (requests, requests)
    assert counts.failed_attempts.keys() == {"503", "429", "malformed", "connection", "timeout"}
    assert sum(counts.failed_attempts.values()) == requests
    assert found.measured.tokenizer_digest is None
    unread = [each for subject in found.subjects for each in subject.questions if each.prediction is None]
    assert len(unread) == 4 * 2
    assert {each.text for each in unread} == {"I do not know."}
    assert sum("2 of 8 texts have no letter" in line for line in lines) == 4


@contextmanager
def half_asked(data: Data, folder: Path) -> Iterator[tuple[Asking, Popen[str], str]]:
    """Yield a measurement that goes on after two subjects, its process, and the URL of its endpoint."""
    slow = Behaviour(mean_s=0.05, servers=1)
    with answering_questions(data.questions, model_name=MODEL_NAME, behaviour=slow) as url:
        asking = Asking(folder, data, (url,), mmlu={"protocol": "chat", "concurrency": 1})
        process = asking.start()
        until = time.monotonic() + 120
        while len(finished(asking)) < 2:
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.02)
        yield asking, process, url


def finished(asking: Asking) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (asking.out / ANSWERS_FOLDER).glob("*.json")}


def test_a_killed_measurement_goes_on_after_its_finished_subjects(data: Data, tmp_path: Path) -> None:
    with half_asked(data, tmp_path) as (asking, process, url):
        process.kill()
        process.communicate(timeout=60)
        before = finished(asking)
        assert not (asking.out / MEASURED).exists()
        time.sleep(0.2)  # what was open is answered
        answered = answered_by(url)
        code, lines = asking.run()
        assert code == 0, lines
        assert answered_by(url) - answered == (4 - len(before)) * QUESTIONS
    assert f"{len(before)} of them are finished already" in lines[0]
    assert before.items() <= finished(asking).items()
    assert read_answers(asking.out).measured.counts.requests == 4 * QUESTIONS


def test_ctrl_c_ends_it_in_order_and_keeps_what_is_finished(data: Data, tmp_path: Path) -> None:
    with half_asked(data, tmp_path) as (asking, process, _):
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=60)
    assert process.returncode == 130
    last = text.splitlines()[-1]
    assert last.endswith("ERROR interrupted by SIGINT."), text
    assert text.count("\n") < 8, text
    kept = {f"results/quality/mmlu/{ANSWERS_FOLDER}/{name}" for name in finished(asking)}
    left = {path.relative_to(tmp_path).as_posix() for path in asking.written()}
    assert left == {*kept, "results/quality/mmlu/progress.json"}


def test_a_wrong_key_ends_it_with_a_sentence_and_is_in_no_file(data: Data, tmp_path: Path) -> None:
    with refusing(401) as url:
        asking = Asking(
            tmp_path, data, (url,), client={"api_key_env": "MODEL_KEY"}, environment={"MODEL_KEY": KEY}
        )
        code, lines = asking.run()
    assert code == 3
    assert lines[-1] == (
        f"ERROR the server at {url} refuses a request with 401 (no entry with Bearer ***); MODEL_KEY holds a "
        "key that it does not take; export another one."
    )
    assert KEY not in "\n".join(lines)
    for path in asking.written():
        assert KEY.encode() not in path.read_bytes(), path
    assert not list((asking.out / ANSWERS_FOLDER).glob("*"))


def test_an_endpoint_that_does_not_echo_is_asked_once_and_the_remedy_is_the_other_protocol(
    data: Data, tmp_path: Path
) -> None:
    deaf = LetterRates(echo=False)
    with answering_questions(data.questions, deaf, model=MODEL, model_name=MODEL_NAME) as url:
        code, lines = Asking(tmp_path, data, (url,)).run()
    assert code == 3
    assert lines[-1].startswith(f"ERROR the server at {url} refuses a request with 400 ('echo'")
    assert lines[-1].endswith("where it cannot, set quality.mmlu.protocol: chat.")
    assert not any("retries" in line for line in lines)


def test_an_endpoint_that_ignores_echo_is_not_believed(data: Data, tmp_path: Path) -> None:
    choice = {
        "index": 0,
        "text": " A",
        "logprobs": {"token_logprobs": [-0.1], "top_logprobs": [{" A": -0.1}]},
    }
    with refusing(200, content={"choices": [choice]}) as url:
        code, lines = Asking(tmp_path, data, (url,)).run()
    assert code == 3
    assert f"ERROR the server at {url} answers a prompt with 1 instead of" in lines[-1]
    assert lines[-1].endswith("where it cannot, set quality.mmlu.protocol: chat.")


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_asked(data: Data, tmp_path: Path) -> None:
    with refusing(500, context=100) as url:
        code, lines = Asking(tmp_path, data, (url,)).run()
    assert code == 2
    assert (
        "tokens with 5 solved ones before it, but the server takes 100; set quality.mmlu.shots" in lines[-1]
    )
    assert len(lines) == 1


def test_an_endpoint_that_fails_again_and_again_ends_it(data: Data, tmp_path: Path) -> None:
    with refusing(502) as url:
        code, lines = Asking(tmp_path, data, (url,), mmlu={"protocol": "chat", "retries": 2}).run()
    assert code == 3
    assert f"the server at {url} failed a request 2 times, at last with 502 (no entry" in lines[-1]


def test_a_dead_endpoint_ends_it(data: Data, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    code, lines = Asking(tmp_path, data, (url,)).run()
    assert code == 3
    assert f"ERROR the server at {url} did not answer within server.endpoints_timeout_s (2 s)" in lines[-1]
