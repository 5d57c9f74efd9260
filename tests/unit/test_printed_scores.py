"""Scores in accuracy.txt: found in both forms, rounded as the reference prints them, and gated as printed."""

from pathlib import Path

import pytest
from loadgen_files import detail_values, evaluation_of, small_round, write_detail

from weighbridge.config.metric_rules import ScoreNotation
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates.accuracy_checks import accuracy_checks, samples_asked
from weighbridge.loadgen.logs import read_detail
from weighbridge.records.score import Evaluation, MetricResult, scores_in

ROUND = small_round()
LINE = "{'rouge1': '38.77', 'rouge2': '15.9', 'rougeL': '24.5', 'rougeLsum': '35.8', 'gen_len': 8178793}"


@pytest.mark.parametrize(
    ("line", "notation", "metric", "found"),
    [
        ('{"f1": 0.79, "precision": 0.8}', "json", "f1", ["0.79"]),
        ('{"f1": 0.79, "f1": 0.5}', "json", "f1", ["0.5"]),
        (' {"f1": 0.79}', "json", "f1", []),
        ("{'f1': 0.79}", "json", "f1", []),
        (LINE, "python", "rouge1", ["38.77"]),
        (LINE, "python", "rougeL", ["24.5"]),
        (LINE, "python", "gen_len", ["8178793"]),
        (LINE, "json", "gen_len", []),
        (f"INFO:main:{LINE}", "python", "rougeLsum", ["35.8"]),
        ("{'gen_len': np.int64(8178793), 'gen_num': 5}", "python", "gen_len", ["np.int64(8178793)"]),
        ("{'rouge1':'38.77'}", "python", "rouge1", []),
    ],
)
def test_scores_are_found_as_the_official_checkers_find_them(
    line: str, notation: ScoreNotation, metric: str, found: list[str]
) -> None:
    assert scores_in(["Results", "", line, "hash=00"], metric, notation) == found


def _evaluation(folder: Path, value: float, printed: str | None) -> Evaluation:
    log = folder / "log"
    log.touch()
    result = MetricResult(value=value, printed=printed, baseline=None, threshold=None, ceiling=None)
    return evaluation_of(ROUND, log, value).model_copy(update={"metrics": {"f1": result}})


@pytest.mark.parametrize(
    ("value", "printed", "failed"),
    [
        # The floor is 0.782400663.
        (0.79, "0.79", set()),
        (0.790004, "0.79", set()),
        (0.7824007, "0.7824", {"f1 as printed"}),
        (0.7824, "0.7825", {"f1"}),
        (0.7, "0.7", {"f1"}),
        (0.7, None, {"f1"}),
    ],
)
def test_a_score_that_is_rounded_below_its_floor_fails(
    tmp_path: Path, value: float, printed: str | None, failed: set[str]
) -> None:
    write_detail(tmp_path / "detail", detail_values(ROUND, "offline", Mode.ACCURACY))
    evaluation = _evaluation(tmp_path, value, printed)
    checks = accuracy_checks(
        samples_asked(read_detail(tmp_path / "detail")), ROUND, evaluation, {"f1": value}
    )
    assert {check.name for check in checks if not check.passed} == failed


def test_a_printed_score_belongs_to_its_value(tmp_path: Path) -> None:
    evaluation = _evaluation(tmp_path, 0.790004, "0.79")
    assert evaluation.printed("f1", 0.790004) == 0.79
    assert evaluation.printed("f1", 0.8) == 0.8  # an edited value
    assert evaluation.printed("precision", 0.5) == 0.5
    assert evaluation.printed("f1", None) is None


def test_a_printed_score_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.json"
    text = _evaluation(tmp_path, 0.79, "0.79").model_dump_json()
    path.write_text(text.replace('"printed":"0.79"', '"printed":"0.7.9"'))
    with pytest.raises(InputError, match="printed"):
        Evaluation.read(path)
