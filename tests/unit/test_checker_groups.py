"""Scenarios of which a round wants one of several, and results of another client than LoadGen's."""

import shutil
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results

from weighbridge.config.settings import SubmissionSettings
from weighbridge.core.errors import InputError
from weighbridge.records.check_record import Complaint
from weighbridge.submission import assemble
from weighbridge.submission.checker import check_submission

_SMALL = small_round()
ROUND = small_round(
    one_of=("Server", "Interactive"),
    also_proven_by=("endpoints",),
    scenarios={
        name: rules.model_copy(update={"required": name != "server"})
        for name, rules in _SMALL.scenarios.items()
    },
)
SETTINGS = SubmissionSettings(submitter="Me", system="box")


def _assembled(folder: Path, **options: object) -> Path:
    assemble(
        results=folder / "results",
        destination=folder / "tree",
        originals=folder / "originals",
        round_=ROUND,
        settings=SETTINGS,
        source=None,
        **options,  # type: ignore[arg-type]
    )
    return folder / "tree"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with results of both scenarios and their tree; tests must not change it."""
    folder = tmp_path_factory.mktemp("groups")
    write_results(folder / "results", ROUND)
    _assembled(folder)
    return folder


@pytest.fixture
def benchmark(whole: Path, tmp_path: Path) -> Path:
    """Return a benchmark's folder in a copy of the tree, which a test may change."""
    tree = shutil.copytree(whole / "tree", tmp_path / "tree")
    return Path(tree) / "closed" / "Me" / "results" / "box" / "qwen3-vl-235b-a22b"


def _complaints(benchmark: Path) -> tuple[Complaint, ...]:
    return check_submission(benchmark.parents[4], ROUND).complaints


def _expected(benchmark: Path) -> int:
    return check_submission(benchmark.parents[4], ROUND).expected_results


def _as_interactive(benchmark: Path) -> Path:
    """Make the Server result one of Interactive, with the files of mlcommons/endpoints."""
    folder = (benchmark / "Server").rename(benchmark / "Interactive")
    for name in ("performance", "accuracy", "user.conf"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("config.yaml", "performance/result_summary.json", "accuracy/accuracy_results.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("{}")
    (folder / "user.conf").unlink(missing_ok=True)
    return folder


def test_a_tree_with_one_of_the_group_has_all_that_is_needed(benchmark: Path) -> None:
    assert _complaints(benchmark) == ()
    assert _expected(benchmark) == 2


def test_a_tree_with_none_of_the_group_is_told_the_group(benchmark: Path) -> None:
    shutil.rmtree(benchmark / "Server")
    [complaint] = _complaints(benchmark)
    assert complaint.said == "one of Server and Interactive is missing, which the round requires"
    assert complaint.level == "error"
    assert _expected(benchmark) == 2


def test_files_of_endpoints_are_known_and_said_not_to_be_checked(benchmark: Path) -> None:
    folder = _as_interactive(benchmark)
    [complaint] = _complaints(benchmark)
    assert complaint.level == "warning"
    assert "mlcommons/endpoints, whose numbers this release does not check" in complaint.said
    assert complaint.file.endswith("/Interactive")
    assert _expected(benchmark) == 2
    (folder / "config.yaml").rename(folder / "config.yml")
    assert len(_complaints(benchmark)) == 1
    (folder / "accuracy" / "accuracy_results.json").unlink()
    missing = next(each for each in _complaints(benchmark) if each.said == "is missing")
    assert missing.level == "error"
    assert missing.file.endswith("accuracy_results.json")


def test_logs_of_loadgen_prove_nothing_where_the_round_has_no_rules_for_them(benchmark: Path) -> None:
    (benchmark / "Server").rename(benchmark / "Interactive")
    [complaint] = _complaints(benchmark)
    assert "LoadGen's logs, which prove no result of this scenario" in complaint.said
    assert complaint.level == "error"


def test_all_three_scenarios_are_three_results(benchmark: Path) -> None:
    shutil.copytree(benchmark / "Server", benchmark / "kept")
    _as_interactive(benchmark)
    (benchmark / "kept").rename(benchmark / "Server")
    assert _expected(benchmark) == 3
    assert [complaint.level for complaint in _complaints(benchmark)] == ["warning"]


def test_the_results_expected_of_two_systems_and_none(whole: Path, benchmark: Path, tmp_path: Path) -> None:
    shutil.copytree(benchmark.parent, benchmark.parent.with_name("second"))
    assert _expected(benchmark) == 4
    shutil.rmtree(benchmark.parent.with_name("second") / benchmark.name / "Offline")
    assert _expected(benchmark) == 4
    (tmp_path / "empty" / "closed").mkdir(parents=True)
    assert check_submission(tmp_path / "empty", ROUND).expected_results == 2


def test_files_of_endpoints_are_no_results_of_a_round_that_does_not_take_them(benchmark: Path) -> None:
    _as_interactive(benchmark)
    round_ = ROUND.model_copy(update={"also_proven_by": ()})
    report = check_submission(benchmark.parents[4], round_)
    assert any("mlperf_log_detail.txt" in complaint.file for complaint in report.complaints)


def test_a_tree_is_built_of_the_scenarios_that_were_measured(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "results", tmp_path / "results")
    with pytest.raises(InputError, match="also needs one of Server and Interactive"):
        _assembled(tmp_path, scenarios=["offline"])
    shutil.rmtree(tmp_path / "results" / "server")
    with pytest.raises(InputError, match="also needs one of Server and Interactive"):
        _assembled(tmp_path)
