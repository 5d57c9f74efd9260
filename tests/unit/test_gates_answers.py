"""Answers that were cut off, mixed up, or answered otherwise in the performance run fail their checks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_pair import DEMONSTRATION, HELD, Pair
from loadgen_files import small_round
from request_files import answers_of, request_log, write_sampled

from weighbridge.client.frames import FinishReason
from weighbridge.client.request_log import write_parquet
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates.answer_checks import answer_checks
from weighbridge.gates.paired import difference_of_means, difference_of_ratios, largest_difference
from weighbridge.gates.request_rows import RequestRows
from weighbridge.records.run_record import RunRecord

SPEED, ANSWERED = Mode.PERFORMANCE, Mode.ACCURACY
ALIKE = {
    *(f"answer {what} {how}" for what in ("tokens", "bytes") for how in ("on average", "as distribution")),
    "sampled answers' score",
    "sampled answers readable",
}


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def answer(pair: Pair, text: Callable[[str], str]) -> None:
    """Change every answer of the performance run, and what the client and the server tell of it."""
    texts = [text(each) for each in answers_of(pair.round.samples)]

    def change(log: Any) -> None:
        sizes = np.array([len(each.encode()) for each in texts])
        before = log["payload_bytes"].astype(np.float64)
        log["payload_bytes"] = sizes[log["sample"]]
        told = log["tokens"] * log["payload_bytes"] / np.maximum(before, 1)
        log["tokens"] = np.maximum(1, told.astype(np.int64))

    pair.change(SPEED, change)
    write_sampled(pair.folder(SPEED), texts[:300])


def test_answers_without_content_are_found_in_every_way(pair: Pair) -> None:
    answer(pair, lambda _: "x")
    assert pair.found()[0] == ALIKE


def test_answers_without_content_are_found_although_the_server_pretends_tokens(pair: Pair) -> None:
    tokens = pair.logs[SPEED]["tokens"].copy()
    answer(pair, lambda _: "x")

    def pretend(log: Any) -> None:
        log["tokens"] = tokens

    pair.change(SPEED, pretend)
    assert pair.found()[0] == {name for name in ALIKE if "tokens" not in name}


def test_wrong_answers_of_the_same_length_are_found_by_their_score(pair: Pair) -> None:
    """As of a duplicating proxy: every answer is that of another sample."""
    texts = answers_of(pair.round.samples)
    turned = [*texts[1:], texts[0]]

    def change(log: Any) -> None:
        sizes = np.array([len(each.encode()) for each in turned])
        log["payload_bytes"] = sizes[log["sample"]]

    pair.change(SPEED, change)
    write_sampled(pair.folder(SPEED), turned[:300])
    assert pair.found()[0] == {"sampled answers' score"}


@pytest.mark.parametrize("tokens", [0, -5])
@pytest.mark.parametrize("mode", list(Mode))
def test_answers_without_tokens_fail_though_both_runs_have_them(pair: Pair, mode: Mode, tokens: int) -> None:
    def none(log: Any) -> None:
        log["tokens"][:3] = tokens

    pair.change(mode, none)
    assert pair.found() == ({"answers without tokens"}, set())


def _cut(log: Any) -> None:
    log["finish"][:5] = FinishReason.LENGTH
    log["tokens"][:5] = 16


@pytest.mark.parametrize("mode", list(Mode))
def test_answers_that_the_server_cut_off_fail_with_their_count(pair: Pair, mode: Mode) -> None:
    pair.change(mode, _cut)
    [check] = pair.judged().failed
    assert (check.run, check.name, check.value) == (mode, "answers cut off", 5)
    assert "neither round nor requests limit" in (check.remedy or "")
    assert "--max-model-len" in (check.remedy or "")


def test_one_answer_in_a_thousand_may_repeat_itself_until_the_context_is_full(pair: Pair) -> None:
    record = RunRecord.parse(pair.records[SPEED], "run.json")

    def failed(cut: int) -> list[str]:
        log = request_log(1499, SPEED)  # two passes
        log["finish"][:cut] = FinishReason.LENGTH
        write_parquet(log, pair.root / "requests.parquet")
        rows = RequestRows.read(pair.root)
        assert rows is not None
        return [check.name for check in answer_checks(record, rows, SPEED, HELD) if not check.passed]

    assert failed(2) == []
    assert failed(3) == ["answers cut off"]


@pytest.mark.parametrize("where", ["round", "settings", "body"])
def test_answers_that_a_limit_of_round_or_requests_ended_are_whole(tmp_path: Path, where: str) -> None:
    limit = 16 if where == "round" else None
    pair = Pair(tmp_path, small_round(submittable=True, max_tokens=limit))
    for record in pair.records.values():
        if where == "settings":
            record["requests"] = {"sampling": {"max_tokens": 16}}
        if where == "body":
            record["envelope"] = ['{"messages":', ',"max_completion_tokens":16}']
    pair.change(SPEED, _cut)
    assert pair.found() == (set(), set())

    def shorter(log: Any) -> None:
        log["tokens"][:5] = 15

    pair.change(SPEED, shorter)
    assert pair.found()[0] == {"answers cut off"}


def test_why_answers_ended_must_be_told_where_rules_hold(pair: Pair) -> None:
    def untold(log: Any) -> None:
        log["finish"][3:] = FinishReason.NOT_TOLD

    pair.change(SPEED, untold)
    assert pair.found() == (set(), {"answers cut off"})
    pair.change(SPEED, _cut)
    assert pair.found()[0] == {"answers cut off"}


def test_some_ids_are_as_bad_as_anothers_and_none_leave_the_prompts(pair: Pair) -> None:
    def some(log: Any) -> None:
        log["id_echoed"][7] = 0

    pair.change(SPEED, some)
    assert pair.found()[0] == {"answers with their request's id"}

    def none(log: Any) -> None:
        log["id_echoed"] = 0

    for mode in Mode:
        pair.change(mode, none)
    assert pair.found() == (set(), set())

    def uncounted(log: Any) -> None:
        log["prompt_tokens"] = 1

    for mode in Mode:
        pair.change(mode, uncounted)
    assert pair.found() == (set(), {"prompt tokens of each sample"})

    def untold(log: Any) -> None:
        log["prompt_tokens"] = 0

    pair.change(SPEED, untold)
    assert pair.found()[0] == {"prompt tokens of each sample"}
    pair.change(ANSWERED, untold)
    assert pair.found() == (set(), {"prompt tokens of each sample"})


def _shift(log: Any) -> None:
    log["prompt_tokens"] = np.roll(log["prompt_tokens"], 1)


def _one_repeat(log: Any) -> None:
    log["prompt_tokens"][-1] += 1


@pytest.mark.parametrize("change", [_shift, _one_repeat])
@pytest.mark.parametrize("round_", [HELD, DEMONSTRATION], ids=["held", "demonstration"])
def test_answers_that_reached_other_samples_are_found_by_their_prompts(
    tmp_path: Path, round_: Any, change: Callable[[Any], None]
) -> None:
    pair = Pair(tmp_path, round_)
    pair.change(SPEED, change)
    assert pair.found() == ({"prompt tokens of each sample"}, set())


@pytest.mark.parametrize("how", ["settings", "body", "top_k"])
def test_greedy_answers_are_compared_one_by_one(pair: Pair, how: str) -> None:
    for record in pair.records.values():
        if how == "settings":
            record["requests"] = {"sampling": {"temperature": 0.0}}
        else:
            key = "temperature" if how == "body" else "top_k"
            record["envelope"] = ['{"messages":', f',"{key}":{0 if how == "body" else 1}}}']
    assert pair.found() == (set(), set())

    def other(log: Any) -> None:
        log["tokens"] = 20 + 4 * np.roll(log["sample"] % 7, 3) - 9

    pair.change(SPEED, other)
    assert "greedy answers of the same tokens" in pair.found()[0]


def _sampled_lengths(generator: np.random.Generator, typical: Any, spread: float) -> Any:
    return np.maximum(1, typical * generator.lognormal(0, spread, len(typical))).astype(np.int64)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), spread=st.floats(0, 0.6), samples=st.sampled_from([512, 5000, 48_289]))
def test_honest_runs_are_alike_and_shorter_answers_are_not(seed: int, spread: float, samples: int) -> None:
    """Lengths of a real model: log-normal over samples, and log-normal again from run to run."""
    generator = np.random.default_rng(seed)
    typical = generator.lognormal(3.3, 0.5, samples)
    asked = np.tile(np.arange(samples), 2)
    theirs = _sampled_lengths(generator, typical, spread)
    honest = _sampled_lengths(generator, typical[asked], spread)
    difference = difference_of_means(asked, honest, theirs)
    assert abs(difference.value) <= difference.bound(0.02)
    for cheat in (np.minimum(honest, 8), np.ones_like(honest), honest // 2):
        difference = difference_of_means(asked, cheat, theirs)
        assert abs(difference.value) > difference.bound(0.02)
    assert largest_difference(np.ones(samples), theirs) > 0.9


def test_the_difference_of_two_scores_has_the_error_of_many_draws() -> None:
    generator = np.random.default_rng(1)
    ones, seen, errors = np.ones(400), [], []
    for _ in range(2000):
        chance = generator.random(400)
        ours, theirs = (generator.random(400) < chance for _ in range(2))
        difference = difference_of_ratios((ours * 1.0, ones), (theirs * 1.0, ones))
        seen.append(difference.value)
        errors.append(difference.standard_error)
    assert np.std(seen) == pytest.approx(np.mean(errors), rel=0.05)
    assert abs(np.mean(seen)) < 0.01


def test_too_few_sampled_answers_are_unknown(pair: Pair) -> None:
    write_sampled(pair.folder(SPEED), answers_of(pair.round.samples)[:255])
    assert pair.found() == (set(), {"sampled answers"})


def test_sampled_answers_of_another_run_are_found_by_their_sizes(pair: Pair) -> None:
    texts = answers_of(pair.round.samples)[:300]
    write_sampled(pair.folder(SPEED), [*texts[:-1], f"{texts[-1]} "])
    assert pair.found()[0] == {"sampled answers as received"}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"sample": 600, "text": ""}',
        '{"sample": "1", "text": ""}',
        '{"text": 1}',
        "\xff",
        '{"sample": 1}',
        '{"sample": 1, "text": "", "tokens": []}',
        '{"sample": 1, "tokens": [2147483648]}',
        '{"sample": 1, "tokens": [1.5]}',
    ],
)
def test_damaged_sampled_answers_are_one_sentence(pair: Pair, line: str) -> None:
    path = pair.folder(SPEED) / "sampled_answers.jsonl"
    path.write_bytes(path.read_bytes() + line.encode("latin1") + b"\n")
    with pytest.raises(InputError, match=r"sampled_answers\.jsonl: (damaged|has an answer to sample 600)"):
        pair.judged()


def test_runs_without_the_later_columns_are_judged_by_what_they_have(tmp_path: Path) -> None:
    for number, round_ in enumerate((DEMONSTRATION, HELD)):
        pair = Pair(tmp_path / str(number), round_)
        for mode in Mode:
            path = pair.folder(mode) / "requests.parquet"
            pq.write_table(pq.read_table(path).drop_columns(["finish", "prompt_tokens", "id_echoed"]), path)
            del pair.records[mode]["sent_sha256"]
            for name in ("proven", "inherited"):
                del pair.records[mode]["server"][name]
        (pair.folder(SPEED) / "sampled_answers.jsonl").unlink()
        failed, unknown = pair.found()
        assert failed == set()
        assert unknown == (
            set()
            if round_ is DEMONSTRATION
            else {
                "logs as LoadGen left them",
                "answers cut off",
                "answers with their request's id",
                "prompt tokens of each sample",
                "requests sent as stored",
                "sampled answers as received",
                "same server environment",
                "server identity",
            }
        )


def test_json_is_written_without_ascii_escapes_of_sampled_texts(pair: Pair) -> None:
    """Sizes are those of the text in UTF-8, not of its JSON."""
    folder = pair.folder(SPEED)
    texts = answers_of(pair.round.samples)
    texts[0] = "\N{SNOWMAN}"

    def change(log: Any) -> None:
        log["payload_bytes"][log["sample"] == 0] = 3

    pair.change(SPEED, change)
    lines = [json.dumps({"sample": n, "text": text}) for n, text in enumerate(texts[:300])]
    (folder / "sampled_answers.jsonl").write_text("\n".join(lines) + "\n")
    assert pair.found()[0] == set()
