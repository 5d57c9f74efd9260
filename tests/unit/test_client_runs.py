"""Reading runs of the official client: its log of events, and what is made of it."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from client_files import client_record, client_round, write_client_run
from hypothesis import given, settings
from hypothesis import strategies as st
from real_client_runs import SAMPLES, TARGET_QPS, round_of_runs, unpack_runs

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.benchmarks.qwen3_vl.synthetic import synthesise
from weighbridge.client.frames import RequestOutcome
from weighbridge.client.request_log import failures
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.endpoints import event_lines
from weighbridge.endpoints.accuracy_run import write_accuracy_run
from weighbridge.endpoints.client_results import ClientResults, ReportedSeries
from weighbridge.endpoints.events import PERFORMANCE_PHASE, ClientPhase, Events
from weighbridge.endpoints.phase_tables import answer_tokens, records_of
from weighbridge.endpoints.schedule import arrivals_ns, delays_s, sample_order
from weighbridge.evaluation.error_analysis import analyse_errors
from weighbridge.evaluation.evaluate import evaluate
from weighbridge.loadgen.early_stopping import discarded
from weighbridge.records.official_client import CLIENT_FOLDER, EVENTS, PHASE_ANSWERS, SAMPLE_MAP
from weighbridge.records.run_record import RUN_RECORD, RunRecord

MODEL = Path(__file__).parents[2] / "demo" / "model"
PROMPT = Path(__file__).parents[2] / "rehearsal" / "prompt.json"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = unpack_runs(tmp_path_factory.mktemp("real"))
    for run in folder.iterdir():
        config = run / CLIENT_FOLDER / "config.yaml"
        config.write_text(config.read_text().replace("resources/model", str(MODEL)))
    return folder


def phases_of(run: Path) -> tuple[ClientPhase, ClientPhase]:
    events = Events.read(run)
    assert events is not None
    assert events.ended
    assert events.warmed_up == 4
    assert events.performance is not None
    assert events.accuracy is not None
    return events.performance, events.accuracy


@pytest.mark.parametrize("name", ["interactive", "offline", "cut"])
def test_counts_are_those_of_the_client(name: str, runs: Path) -> None:
    performance, accuracy = phases_of(runs / name)
    results = ClientResults.read(runs / name)
    assert results.summary is not None
    assert results.accuracy is not None
    assert len(performance) == results.summary.n_samples_issued
    assert int((performance.end_ns > 0).sum()) == results.summary.n_samples_completed
    assert len(performance.errors) == results.summary.n_samples_failed
    counts = results.accuracy.accuracy_scores[0].response_counts
    assert counts is not None
    assert len(accuracy) == counts.issued == SAMPLES
    assert int((accuracy.text_bytes > 0).sum()) == counts.scored
    assert performance.issued_twice == performance.ended_twice == 0


@pytest.mark.parametrize("name", ["interactive", "offline"])
def test_samples_come_in_the_order_of_the_seed(name: str, runs: Path) -> None:
    performance, accuracy = phases_of(runs / name)
    seed = round_of_runs(name).endpoints_rules.seeds.dataloader
    assert (performance.sample == sample_order(SAMPLES, len(performance), seed)).all()
    assert (accuracy.sample == np.arange(SAMPLES)).all()


def test_queries_come_when_the_seed_says(runs: Path) -> None:
    performance, accuracy = phases_of(runs / "interactive")
    seed = round_of_runs("interactive").endpoints_rules.seeds.scheduler
    due = arrivals_ns(len(performance), TARGET_QPS, seed)
    then = arrivals_ns(len(accuracy), TARGET_QPS, seed, earlier=len(performance))
    assert delays_s(performance.issued_ns, due).max() < 0.03
    assert delays_s(accuracy.issued_ns, then).max() < 0.03
    # Another order of gaps is seen at once.
    assert delays_s(accuracy.issued_ns, due[: len(accuracy)]).max() > 0.1


@pytest.mark.parametrize("name", ["interactive", "offline", "cut"])
def test_percentiles_and_estimates_are_equal_to_the_nanosecond(name: str, runs: Path) -> None:
    performance, _ = phases_of(runs / name)
    summary = ClientResults.read(runs / name).summary
    assert summary is not None
    compared = 0
    for values, declared in ((performance.latency_ns, summary.latency), (performance.ttft_ns, summary.ttft)):
        if declared is not None and declared.percentiles:
            compared += _compare(np.sort(values), declared)
    assert compared >= 12


def _compare(ordered: np.ndarray, declared: ReportedSeries) -> int:
    assert (ordered[0], ordered[-1], ordered.sum()) == (declared.min, declared.max, declared.total)
    for name, value in declared.percentiles.items():
        assert np.percentile(ordered, float(name), method="lower") == value
    for name, value in (declared.early_stopping_percentiles or {}).items():
        beyond = discarded(len(ordered), float(name) / 100)
        assert (None if beyond is None else ordered[len(ordered) - 1 - beyond]) == value
    return len(declared.percentiles)


@pytest.mark.parametrize("name", ["interactive", "offline", "cut"])
def test_tokens_are_counted_as_by_the_client(name: str, runs: Path) -> None:
    performance, _ = phases_of(runs / name)
    summary = ClientResults.read(runs / name).summary
    assert summary is not None
    assert summary.output_sequence_lengths is not None
    assert answer_tokens(performance, MODEL).sum() == summary.output_sequence_lengths.total


def test_every_failure_is_counted_by_its_kind(runs: Path) -> None:
    performance, accuracy = phases_of(runs / "offline")
    both = Counter(failures(records_of(performance))) + Counter(failures(records_of(accuracy)))
    told = [*performance.errors.values(), *accuracy.errors.values()]
    assert both["reset"] == sum(kind == "ConnectionResetError" for kind, _ in told) > 0
    assert both["http_status"] == sum("HTTP 503" in message for _, message in told)
    assert both["empty"] == int(
        sum((phase.succeeded & (phase.text_bytes == 0)).sum() for phase in (performance, accuracy))
    )
    assert both["empty"] > 0  # which the client counts as completed
    assert sum(both.values()) == both["reset"] + both["http_status"] + both["empty"]


def test_a_broken_stream_is_a_failure_though_the_client_takes_it_for_an_answer(runs: Path) -> None:
    performance, _ = phases_of(runs / "cut")
    assert not performance.errors
    rows = records_of(performance)
    texts = list(performance.texts(range(len(performance))))
    broken = {place for place, text in enumerate(texts) if not text.endswith("}")}
    assert broken
    assert set(rows["id"][rows["outcome"] == RequestOutcome.RESET].tolist()) == broken
    assert failures(rows) == {"reset": len(broken)}


@pytest.mark.parametrize("name", ["interactive", "offline", "cut"])
def test_the_accuracy_phase_becomes_a_run_that_scores_as_the_client_does(
    name: str, runs: Path, tmp_path: Path
) -> None:
    scenario = "offline" if name == "offline" else "interactive"
    round_ = round_of_runs(scenario)
    record = client_record(round_, round_.scenario(scenario), Mode.PERFORMANCE)
    (runs / name / RUN_RECORD).write_text(json.dumps(record))
    out, dataset = tmp_path / "accuracy", tmp_path / "dataset"
    load = write_accuracy_run(runs / name, out).load
    written = RunRecord.read(out / RUN_RECORD)
    assert written.mode is Mode.ACCURACY
    assert load.issued == SAMPLES == load.completed + load.failures
    assert {name: sha256_of(out / name) for name in written.logs} == written.logs
    synthesise(ArtifactKind.DATASET, SAMPLES, dataset)
    found = evaluate(logs=out, dataset=dataset, prompt=PROMPT, round_=round_, output=tmp_path)
    theirs = ClientResults.read(runs / name).accuracy
    assert theirs is not None
    assert found.value == pytest.approx(theirs.accuracy_scores[0].score, abs=1e-9)
    analysed = analyse_errors(logs=out, dataset=dataset, prompt=PROMPT, round_=round_)
    assert analysed.levels[0].value == pytest.approx(found.value)


def test_what_cannot_be_an_accuracy_run_is_said_in_a_sentence(tmp_path: Path) -> None:
    round_ = client_round()
    performance = write_client_run(tmp_path, round_, "interactive")
    report, out = performance / CLIENT_FOLDER, tmp_path / "again"
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        write_accuracy_run(performance, out)
    map_, log = (report / SAMPLE_MAP).read_text(), (report / EVENTS).read_text()
    only = {PERFORMANCE_PHASE: json.loads(map_)[PERFORMANCE_PHASE]}
    (report / SAMPLE_MAP).write_text(json.dumps(only))
    with pytest.raises(InputError, match="issued no accuracy phase"):
        write_accuracy_run(performance, out)
    (report / SAMPLE_MAP).write_text(json.dumps(json.loads(map_) | {PERFORMANCE_PHASE: {}}))
    with pytest.raises(InputError, match="no query is of the performance phase"):
        write_accuracy_run(performance, out)
    (report / SAMPLE_MAP).write_text(map_)
    (report / EVENTS).write_text(log.replace("true", "false"))
    with pytest.raises(InputError, match="not the log that"):
        write_accuracy_run(performance, out)
    (report / EVENTS).unlink()
    with pytest.raises(InputError, match="is missing"):
        write_accuracy_run(performance, out)
    assert not (out / PHASE_ANSWERS).exists()


@settings(max_examples=40)
@given(
    texts=st.lists(st.one_of(st.text(max_size=20), st.lists(st.text(max_size=5))), min_size=1, max_size=12),
    block=st.integers(1, 400),
    shuffled=st.randoms(use_true_random=False),
)
def test_answers_are_found_again_whatever_they_are(
    texts: list[str | list[str]], block: int, shuffled: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = []
    for place, text in enumerate(texts):
        common = {"sample_uuid": f"id{place}"}
        lines.append(common | {"event_type": "sample.issued", "timestamp_ns": 10 + place, "data": None})
        lines.append(
            common
            | {
                "event_type": "sample.complete",
                "timestamp_ns": 100 + place,
                "data": ["TextModelOutput", text, None],
                "finish_reason": "stop",
                "worker_id": 3,
            }
        )
    shuffled.shuffle(lines)  # type: ignore[attr-defined]
    run = tmp_path_factory.mktemp("run")
    (run / EVENTS).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    (run / SAMPLE_MAP).write_text(
        json.dumps({PERFORMANCE_PHASE: {f"id{place}": place for place in range(len(texts))}})
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_lines, "_BLOCK_BYTES", block)
        events = Events.read(run)
    assert events is not None
    phase = events.performance
    assert phase is not None
    whole = ["".join(text) for text in texts]
    assert list(phase.texts(range(len(texts)))) == whole
    assert phase.text_bytes.tolist() == [len(text.encode()) for text in whole]
    assert phase.blank.tolist() == [not text.strip() for text in whole]
    assert (phase.end_ns - phase.issued_ns == 90).all()
    assert set(phase.worker) == {3}


@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_damaged_log_is_read_or_told_in_a_sentence(
    place: int, byte: int, runs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = tmp_path_factory.mktemp("damaged")
    for name in (EVENTS, SAMPLE_MAP):
        data = bytearray((runs / "cut" / CLIENT_FOLDER / name).read_bytes())
        data[place % len(data)] = byte
        (run / name).write_bytes(data)
    try:
        events = Events.read(run)
    except InputError:
        return
    assert events is not None
    for phase in events.phases.values():
        records_of(phase)
        list(phase.texts(range(len(phase))))


@given(samples=st.integers(1, 40), passes=st.integers(1, 4), cut=st.integers(0, 39), seed=st.integers(0, 9))
def test_each_pass_has_every_sample_once(samples: int, passes: int, cut: int, seed: int) -> None:
    order = sample_order(samples, samples * passes, seed)
    for start in range(0, len(order), samples):
        assert sorted(order[start : start + samples]) == list(range(samples))
    fewer = max(1, samples * passes - cut)
    assert (sample_order(samples, fewer, seed) == order[:fewer]).all()


@given(count=st.integers(1, 50), earlier=st.integers(0, 50), qps=st.floats(0.1, 1e4), seed=st.integers(0, 9))
def test_an_accuracy_phase_goes_on_with_the_gaps(count: int, earlier: int, qps: float, seed: int) -> None:
    whole = arrivals_ns(earlier + 1 + count, qps, seed)
    then = arrivals_ns(count, qps, seed, earlier=earlier)
    assert (then == whole[earlier + 1 :] - whole[earlier]).all()
    assert (np.diff(whole) >= 1).all()
