"""Scenarios with a dataset of their own: settings, downloads, inputs of gates, and records in a tree."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tree_evidence import CLOSED, DATASET, build, inputs_in, proof_of, write_judged

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.large_downloads import LARGE_BYTES, announced_downloads
from weighbridge.artifacts.manifest import FileEntry, Manifest, write_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.registry import load_benchmark
from weighbridge.benchmarks.rounds import load_round
from weighbridge.cli.options import files_by_name
from weighbridge.config.artifact_settings import Artifact
from weighbridge.config.closed_rules import ArtifactPin
from weighbridge.config.closed_settings import settings_deviations
from weighbridge.config.dataset_rules import DatasetRules
from weighbridge.config.derived_round import limited, strict
from weighbridge.config.metric_rules import MetricRules
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import other_samples, round_of_dataset, round_of_scenario
from weighbridge.config.round_settings import check_against_round
from weighbridge.config.settings import Settings
from weighbridge.core.dataset_files import read_columns
from weighbridge.core.errors import InputError
from weighbridge.evaluation.error_analysis import ErrorAnalysis, Level
from weighbridge.gates import Inputs
from weighbridge.gates.closed_checks import DatasetInputs
from weighbridge.provenance import CRATE, write_crate
from weighbridge.provenance.judged_again import Originals, require_originals
from weighbridge.provenance.materials import materials_of
from weighbridge.provenance.tree_runs import TreeRuns, scenarios_of
from weighbridge.report.chart import Chart
from weighbridge.report.charts import charts_of
from weighbridge.report.inputs import Missing
from weighbridge.report.inputs import read_inputs as read_results
from weighbridge.report.page import render_page
from weighbridge.submission.checker import check_submission
from weighbridge.submission.tree_records import read_inputs

ROOT = Path(__file__).parents[2]
PIN = {"repo": "lab/few", "revision": "3" * 40}
FEW = {"samples": 100, "splits": ["only"], "closed": PIN}
RECORDS = "closed/Me/src/qwen3-vl-235b-a22b/records/box"


def _round(**changes: Any) -> Round:
    """Return the demo's round, whose Server scenario has a dataset and a floor of its own."""
    demo = load_round("demo")
    own = {"dataset": "few", "metrics": {"f1": MetricRules(floor=0.5, largest=1, reference_mean=0.505)}}
    scenarios = demo.scenarios | {"server": demo.scenarios["server"].model_copy(update=own)}
    further = {"few": DatasetRules.parse(FEW, "few")}
    return demo.model_copy(update={"scenarios": scenarios, "further_datasets": further} | changes)


def _settings(further: dict[str, Any] | None) -> Settings:
    data = yaml.safe_load((ROOT / "config.yaml").read_text())
    if further is not None:
        data["artifacts"]["further_datasets"] = further
    return Settings.parse(data, "configuration")


def test_a_scenario_has_its_dataset_and_the_others_the_rounds() -> None:
    round_ = _round()
    server = round_of_scenario(round_, "server")
    assert (server.samples, server.splits, server.metrics["f1"].floor) == (100, ("only",), 0.5)
    assert server.closed.dataset == ArtifactPin(**PIN)
    assert round_of_scenario(server, "server") == server
    assert round_of_scenario(round_, "offline") is round_
    assert other_samples(round_) == {"Server": 100}
    with pytest.raises(InputError, match="has no further dataset many; it has: few"):
        round_of_dataset(round_, "many")


def test_settings_name_exactly_the_datasets_of_planned_scenarios() -> None:
    check_against_round(_settings({"few": PIN}), _round())
    # Null takes out what a file below has.
    check_against_round(_settings({"few": PIN, "many": None}), _round())
    with pytest.raises(InputError, match=r"'artifacts\.further_datasets\.few' is missing, but server of"):
        check_against_round(_settings({"few": None}), _round())
    with pytest.raises(InputError, match=r"'artifacts\.further_datasets\.many' is used by no planned"):
        check_against_round(_settings({"few": PIN, "many": PIN}), _round())
    with pytest.raises(InputError, match=r"only 'artifacts\.model' has 'weights'"):
        _settings({"few": PIN | {"weights": True}})


def test_another_revision_is_not_of_the_closed_division() -> None:
    other = _settings({"few": PIN | {"revision": "4" * 40}})
    [found] = [each for each in settings_deviations(other, _round()) if "few" in each.found]
    assert found.found == f"artifacts.further_datasets.few.revision is {'4' * 40}"
    assert found.demanded == f"lab/few at revision {'3' * 40}"
    assert not any("few" in each.found for each in settings_deviations(_settings({"few": PIN}), _round()))


def test_a_limited_round_takes_the_first_samples_of_each_dataset() -> None:
    round_ = limited(_round(), 20)
    server = round_of_scenario(round_, "server")
    assert (server.samples, server.of_dataset, server.scenario("server").min_query_count) == (20, 100, 20)
    assert server.metrics["f1"].floor is None
    # A dataset that has no more is used whole.
    most = round_of_scenario(limited(_round(), 200), "server")
    assert (most.samples, most.of_dataset, most.scenario("server").min_query_count) == (100, 100, 100)


def test_a_stricter_floor_is_that_of_the_scenario() -> None:
    assert round_of_scenario(strict(_round()), "server").metrics["f1"].floor == pytest.approx(0.504495)


def test_a_large_further_dataset_is_announced_by_its_kind(tmp_path: Path) -> None:
    lock = tmp_path / "lock.json"
    write_lock(lock, Manifest(files=(FileEntry(path="a.parquet", size=LARGE_BYTES + 1, sha256="0" * 64),)))
    further = {"dataset-few": Artifact(**PIN, manifest=lock)}
    announced = announced_downloads(further, tmp_path / "resources", here=True)
    assert announced is not None
    assert announced.startswith("20.0 GB of the dataset lab/few would be downloaded")
    (tmp_path / "resources" / "dataset-few").mkdir(parents=True)
    with (tmp_path / "resources" / "dataset-few" / "a.parquet").open("wb") as file:
        file.truncate(LARGE_BYTES + 1)
    assert announced_downloads(further, tmp_path / "resources", here=True) is None


@pytest.mark.parametrize("name", ["qwen3-vl-235b-a22b", "llama3.1-8b"])
def test_synthetic_samples_are_written_to_the_splits_that_are_asked_for(name: str, tmp_path: Path) -> None:
    benchmark = load_benchmark(name)
    column = {"qwen3-vl-235b-a22b": "product_title", "llama3.1-8b": "article"}[name]
    benchmark.synthesise(ArtifactKind.DATASET, 11, tmp_path / "one", splits=("only",))
    benchmark.synthesise(ArtifactKind.DATASET, 11, tmp_path / "more", splits=("a", "b", "c"))
    one = read_columns(tmp_path / "one", ["only"], [column])
    assert len(one) == 11
    assert one.equals(read_columns(tmp_path / "more", ["a", "b", "c"], [column]))


def test_options_name_files_by_dataset() -> None:
    assert files_by_name("--x", ["a=b/c=d.json", "e=f"]) == {"a": Path("b/c=d.json"), "e": Path("f")}
    with pytest.raises(InputError, match="--x a: is not of the form NAME=FILE"):
        files_by_name("--x", ["a"])
    with pytest.raises(InputError, match="--x: a is given twice"):
        files_by_name("--x", ["a=b", "a=c"])


def test_inputs_of_a_scenario_are_those_of_its_dataset(tmp_path: Path) -> None:
    inputs = inputs_in(tmp_path)
    assert inputs.model is not None
    assert inputs.dataset is not None
    files = {name: tmp_path / f"{name}.json" for name in ("model", "dataset", "dataset-few")}
    inputs.model.write(files["model"])
    inputs.dataset.write(files["dataset"])
    inputs.dataset.write(files["dataset-few"])
    read = Inputs.read(
        [files["model"], files["dataset"]], None, further_datasets={"few": files["dataset-few"]}
    )
    few = read.of_dataset("few")
    assert (few.model, few.dataset, few.store) == (inputs.model, inputs.dataset, None)
    assert read.of_dataset(None) is read
    file = "resources/dataset-few.json"
    assert few.dataset_option == f"--artifact {file} (with --logs, --further-dataset few={file})"
    assert few.store_option.startswith(
        "--store resources/requests-few/manifest.json (with --logs, --further-"
    )
    assert read.dataset_option == "--artifact resources/dataset.json"
    unknown = read.of_dataset("many")
    assert (unknown.model, unknown.dataset, unknown.store) == (inputs.model, None, None)
    with pytest.raises(InputError, match="is the proof of a model; pass that of the further dataset"):
        Inputs.read([], None, further_datasets={"few": files["model"]})


def test_the_copies_beside_a_further_datasets_proof_are_its_own(tmp_path: Path) -> None:
    gone = proof_of(tmp_path / "made", ArtifactKind.DATASET, DATASET).model_copy(
        update={"folder": tmp_path / "gone"}
    )
    gone.write(tmp_path / "dataset-few.json")
    (tmp_path / "dataset").mkdir()

    def folder() -> Path:
        proof = Inputs.read([], None, further_datasets={"few": tmp_path / "dataset-few.json"})
        found = proof.of_dataset("few").dataset
        assert isinstance(found, Proof)
        return found.folder

    assert folder() == tmp_path / "gone"
    (tmp_path / "dataset-few").mkdir()
    assert folder() == tmp_path / "dataset-few"


@pytest.fixture(scope="module")
def made_of(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Inputs]:
    """Return a folder with results/ and a tree whose Server runs used another dataset, and their inputs."""
    root = tmp_path_factory.mktemp("tree")
    inputs = inputs_in(root)
    write_judged(root, inputs)
    further = proof_of(root / "few", ArtifactKind.DATASET, ArtifactPin(**PIN), 50)
    assert inputs.store is not None
    store = inputs.store.model_copy(
        update={"dataset": {each.path: each.sha256 for each in further.files}, "bodies_sha256": "e" * 64}
    )
    for path in (root / "results" / "server").rglob("run.json"):
        record = json.loads(path.read_text())
        record["pins"]["dataset"], record["store_sha256"] = store.dataset_digest, store.bodies_sha256
        path.write_text(json.dumps(record))
    both = replace(inputs, further={"few": DatasetInputs(further, store)})
    build(root, both, _closed())
    return root, both


@pytest.fixture
def tree(made_of: tuple[Path, Inputs]) -> Path:
    return made_of[0] / "tree"


def _closed() -> Round:
    server = CLOSED.scenarios["server"].model_copy(update={"dataset": "few"})
    further = {"few": DatasetRules.parse(FEW | {"samples": CLOSED.samples}, "few")}
    return CLOSED.model_copy(
        update={"scenarios": CLOSED.scenarios | {"server": server}, "further_datasets": further}
    )


def _complaints(tree: Path) -> list[str]:
    return [str(each) for each in check_submission(tree, _closed()).complaints]


def test_a_tree_carries_the_records_of_each_dataset(tree: Path) -> None:
    assert not [said for said in _complaints(tree) if "dataset" in said or "requests" in said]
    names = {path.name for path in (tree / RECORDS).glob("*.json")}
    assert names == {
        *("requests.json", "model.json", "dataset.json"),
        *("requests-few.json", "dataset-few.json"),
    }
    inputs = read_inputs(tree / RECORDS)
    few = inputs.of_dataset("few")
    assert few.dataset is not None
    assert few.store is not None
    assert (few.dataset.repo, few.store.bodies_sha256) == ("lab/few", "e" * 64)


def test_runs_on_another_dataset_than_the_scenarios_are_refused(tree: Path) -> None:
    records = tree / RECORDS
    own, few = records / "requests.json", records / "requests-few.json"
    text = few.read_text()
    few.write_text(own.read_text())
    try:
        said = _complaints(tree)
    finally:
        few.write_text(text)
    assert any(
        "Server/performance.json" in each and "another dataset than requests-few.json" in each
        for each in said
    )
    assert any(
        "requests-few.json" in each and "other files than dataset-few.json lists" in each for each in said
    )
    assert not any("Offline" in each and "dataset" in each for each in said)


def test_logs_in_a_tree_are_held_to_the_scenarios_number_of_samples(tree: Path) -> None:
    larger = _closed().model_copy(update={"samples": CLOSED.samples + 100})
    said = [str(each) for each in check_submission(tree, larger).complaints]
    wrong = f"dataset size is {CLOSED.samples}, must be {larger.samples}"
    assert any("Offline" in each and wrong in each for each in said)
    assert not any("Server" in each and "dataset size" in each for each in said)


def test_the_crate_ties_each_run_to_its_dataset(made_of: tuple[Path, Inputs]) -> None:
    root, inputs = made_of
    proofs = [proof for proof in (inputs.model, inputs.dataset) if proof is not None]
    write_crate(root / "results", proofs, "Me", inputs.further)
    graph = json.loads((root / "results" / CRATE).read_text())["@graph"]
    entities = {each["@id"]: each for each in graph}
    for scenario, dataset, requests in (
        ("offline", DATASET, "#requests"),
        ("server", ArtifactPin(**PIN), "#requests-few"),
    ):
        page = f"https://huggingface.co/datasets/{dataset.repo}/tree/{dataset.revision}/"
        assert {"@id": requests} in entities[f"#run-{scenario}-performance"]["object"]
        assert {"@id": page} in entities[f"#score-{scenario}"]["object"]
        based_on = entities[requests]["isBasedOn"]
        assert {"@id": page} in (based_on if isinstance(based_on, list) else [based_on])


def test_materials_and_originals_are_of_each_dataset(made_of: tuple[Path, Inputs]) -> None:
    root, inputs = made_of
    runs = [TreeRuns.read(each) for each in scenarios_of(root / "tree", _closed())]
    names = {each.name for each in materials_of(runs, _closed(), None)}
    assert {"model", "dataset", "requests", "dataset-few", "requests-few"} <= names
    assert inputs.dataset is not None
    assert inputs.further["few"].dataset is not None
    server = next(each.scenario for each in runs if each.scenario.rules.name == "server")
    few = inputs.further["few"].dataset
    require_originals(server, Originals(root / "originals", (inputs.dataset, few)))
    with pytest.raises(InputError, match="is not the dataset of the Server runs"):
        require_originals(server, Originals(root / "originals", (inputs.dataset,)))


def test_the_report_shows_the_bounds_and_the_number_of_samples_of_each_scenario(
    made_of: tuple[Path, Inputs],
) -> None:
    rules = _closed()
    own = rules.scenarios["server"].model_copy(update={"metrics": {"f1": MetricRules(floor=0.123)}})
    round_ = rules.model_copy(update={"scenarios": rules.scenarios | {"server": own}})
    inputs = read_results(made_of[0] / "results", round_)
    level = Level(name="f1", value=0.8, low=0.7, high=0.9, samples=rules.samples)
    analysis = ErrorAnalysis(levels=(level,), groups=(), unparsable=(), unparsable_total=0)
    analyses: dict[str, ErrorAnalysis | Missing] = dict.fromkeys(round_.scenarios, analysis)
    page = render_page(inputs, analyses, [])
    assert f"{rules.samples} samples, Server {rules.samples};" in page
    assert page.count("floor 0.123") == 2  # in its card and beside its score
    titles = {
        chart.key: chart.title
        for chart in charts_of(inputs, analyses)
        if isinstance(chart, Chart) and chart.group == "accuracy"
    }
    assert list(titles) == ["scores", "scores-server"]
    assert "of Offline with" in titles["scores"]
    assert "of Server with" in titles["scores-server"]
