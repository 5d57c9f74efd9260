"""The code accepts the finished results of its last release: in a kept example there is nothing to do."""

import ast
import json
from pathlib import Path

import pytest
import yaml
from driver import Workflow
from small_run import DONE, ROOT, planned
from unpacking import unpack

from weighbridge.history.read_history import read_histories

FIXTURES = Path(__file__).parent / "fixtures"
KEPT = FIXTURES / "finished.tar.xz"
# Finished before the versions of scoring, judgement and tree were raised: nothing is measured again.
EARLIER = FIXTURES / "earlier.tar.xz"
MEASURED = ("fetch", "build_requests", "count_tokens", "find_server", "benchmark", "search_peak")
REMEDY = (
    "Users' finished results would be made again by this code. If no version in "
    "src/weighbridge/config/fingerprint.py was raised, a fingerprint has changed by accident: compare the "
    "params in the plan below, and give a new field a default. If a version was raised on purpose, write it "
    "into CHANGELOG.md and run `make kept-results`."
)


def unpacked(directory: Path, results: Path = KEPT) -> dict[str, object]:
    unpack(results, directory)
    settings: dict[str, object] = yaml.safe_load((directory / "settings.yaml").read_text())
    return settings


def test_the_kept_results_are_accepted(tmp_path: Path) -> None:
    settings = unpacked(tmp_path / "run")
    # Earlier releases did not write it; it is made from verdicts in a second.
    (tmp_path / "run" / "results" / "report.md").touch()
    answer = Workflow(ROOT, tmp_path / "run")("-n", "submission", **settings)
    assert answer.code == 0, answer.text
    assert DONE in answer.text, f"{REMEDY}\n\n{answer.text}"
    # Results from before there were attestations get one, and nothing before it is made again.
    (tmp_path / "run" / "results" / "attestation.json").unlink()
    plan = Workflow(ROOT, tmp_path / "run")("-n", "submission", **settings)
    jobs = {name for name in planned(plan.text) if not name.endswith(":")}
    assert jobs == {"attest", "crate", "submission", "total"}


def test_measurements_of_an_earlier_version_are_judged_again_and_not_repeated(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    settings = unpacked(directory, EARLIER)
    workflow = Workflow(ROOT, directory)
    plan = workflow("-n", "submission", **settings)
    assert plan.code == 0, plan.text
    assert "rule gate:" in plan.text
    assert not any(f"rule {rule}:" in plan.text for rule in MEASURED), plan.text
    paths = [f"results/{scenario}/verdict.json" for scenario in ("offline", "server")]
    answer = workflow(*paths, **settings)
    assert answer.code == 0, answer.text
    assert [json.loads((directory / path).read_text())["outcome"] for path in paths] == ["VALID"] * 2
    assert {(each.entry.name, each.entry.outcome) for each in read_histories([directory])} == {
        ("offline", "VALID"),
        ("server", "VALID"),
    }


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_runs_are_kept_as_documented_when_a_folder_gets_its_origin(kind: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = unpacked(run) | {"artifacts": {kind: {"repo": "owner/name", "revision": "0" * 40}}}
    workflow = Workflow(ROOT, run)
    records = [path.relative_to(run).as_posix() for path in run.glob("results/*/*/run.json")]
    assert len(records) == 4
    assert "rule benchmark:" in workflow("-n", "submission", **settings).text, "the page says that they would"
    steps = {
        "model": (["resources/model.json"], ["--touch", *records]),
        "dataset": (["resources/requests/manifest.json"],),
    }
    for step in steps[kind]:
        answer = workflow(*step, **settings)
        assert answer.code == 0, answer.text
    plan = workflow("-n", "submission", **settings)
    assert plan.code == 0, plan.text
    assert "rule gate:" in plan.text
    assert not any(f"rule {rule}:" in plan.text for rule in MEASURED), plan.text


def test_a_plan_would_notice_a_change(tmp_path: Path) -> None:
    settings = unpacked(tmp_path / "run")
    scenarios = {"offline": {"target_qps": 41}, "server": {"target_qps": 50}}
    answer = Workflow(ROOT, tmp_path / "run")("-n", "submission", **(settings | {"scenarios": scenarios}))
    assert answer.text.count("rule benchmark:") == 2


def test_no_fingerprint_names_a_place_of_the_machine_that_made_it(tmp_path: Path) -> None:
    unpacked(tmp_path / "run")
    records = list((tmp_path / "run" / ".snakemake" / "metadata").iterdir())
    assert len(records) > 20
    for record in records:
        content = json.loads(record.read_text())
        assert not any(path.startswith("/") for path in content["input"])
        # Of the artifacts' and programs' paths none is absolute.
        assert not any('"/' in param for param in content["params"]), content["params"]


def test_a_rule_compares_only_its_fingerprint(tmp_path: Path) -> None:
    unpacked(tmp_path)
    for record in (tmp_path / ".snakemake" / "metadata").iterdir():
        content = json.loads(record.read_text())
        # Snakemake notes the repr of each param that it compares.
        fingerprints = [json.loads(ast.literal_eval(text)) for text in content["params"]]
        assert len(fingerprints) <= 1, content["rule"]
        assert all("compared" in each for each in fingerprints)
