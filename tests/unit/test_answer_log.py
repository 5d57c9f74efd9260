"""The answers of an accuracy run, whichever driver logged them, and the command that writes the client's."""

import json
from pathlib import Path

import pytest
from client_files import client_round, write_client_run
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.client.kept_answers import read_kept_answers, write_kept_answers
from weighbridge.core.errors import InputError
from weighbridge.evaluation.answer_log import answer_log, has_answers, read_answers
from weighbridge.records.not_made import not_made, write_not_made
from weighbridge.records.official_client import PHASE_ANSWERS
from weighbridge.records.run_record import ANSWERS, RUN_RECORD


@given(order=st.permutations(range(6)), texts=st.lists(st.text(max_size=30), min_size=6, max_size=6))
def test_both_drivers_answers_are_read_alike(
    order: list[int], texts: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("answers")
    of_client, of_loadgen = folder / "client", folder / "loadgen"
    write_kept_answers(of_client / PHASE_ANSWERS, [(sample, texts[sample]) for sample in order])
    of_loadgen.mkdir()
    logged = [
        {"seq_id": place, "qsl_idx": sample, "data": texts[sample].encode().hex().upper()}
        for place, sample in enumerate(order)
    ]
    (of_loadgen / ANSWERS).write_text("[" + ",\n".join(map(json.dumps, logged)) + "\n]\n")
    for run in (of_client, of_loadgen):
        assert has_answers(answer_log(run))
        found = read_answers(answer_log(run), 6)
        assert list(found) == list(order)
        assert [found[sample].decode() for sample in range(6)] == texts


def test_answers_that_are_not_one_for_each_sample_are_refused(tmp_path: Path) -> None:
    log = tmp_path / PHASE_ANSWERS
    for answers, complaint in (
        ([(0, "a"), (0, "b")], "more than once"),
        ([(1, "a")], "1 of 2 samples have no answer"),
        ([(0, "a"), (2, "b")], "an answer to sample 2"),
    ):
        write_kept_answers(log, answers)
        with pytest.raises(InputError, match=complaint):
            read_answers(log, 2)
    log.write_text('{"sample": 0}\n')
    with pytest.raises(InputError, match="not one of text and tokens"):
        read_kept_answers(log, 2)
    assert not has_answers(answer_log(tmp_path / "nothing"))


def client_accuracy(run: Path, out: Path) -> int:
    called = CliRunner().invoke(cli.app, ["client-accuracy", "--run", str(run), "--out", str(out)])
    return called.exit_code


def test_a_run_that_was_not_made_or_was_ended_has_no_accuracy_run(tmp_path: Path) -> None:
    out, none = tmp_path / "accuracy", tmp_path / "none"
    write_not_made(none, RUN_RECORD, (), "the search found no rate")
    assert client_accuracy(none, out) == 0
    assert not_made(out / RUN_RECORD) == "the search found no rate"
    assert (out / PHASE_ANSWERS).read_text() == ""

    lost = write_client_run(tmp_path / "lost", client_round(), "interactive")
    record = json.loads((lost / RUN_RECORD).read_text())
    reason = {"after_s": 3, "reason": "too many were late", "remedy": "Lower the rate."}
    record["load"] |= {"aborted": "too many were late", "lost": reason}
    (lost / RUN_RECORD).write_text(json.dumps(record))
    assert client_accuracy(lost, out) == 0
    assert "too many were late" in (not_made(out / RUN_RECORD) or "")
