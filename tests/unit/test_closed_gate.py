"""The gate proves what the closed division fixes: each single deviation fails its check, or is unknown."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loadgen_files import evaluation_of, record_values, seal, small_round, write_run
from request_files import PROMPT, with_products, write_products

from weighbridge.artifacts.manifest import FileEntry
from weighbridge.artifacts.proof import Proof
from weighbridge.config.closed_rules import ClosedRules, TaskPart
from weighbridge.config.scenario_rules import Mode
from weighbridge.core.errors import InputError
from weighbridge.gates import Inputs, judge, judge_logs
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.records.verdict import Check, Verdict

REVISION, OTHER = "1" * 40, "2" * 40
CONFIG = {"architectures": ["M"], "text_config": {"num_hidden_layers": 94, "eps": 1e-6}}
CLOSED = ClosedRules.parse(
    {
        "model": {
            "repo": "them/model",
            "revision": REVISION,
            "files": {
                "config.json": {
                    "architectures": ["M"],
                    "text_config.num_hidden_layers": 94,
                    "text_config.eps": 1e-6,
                }
            },
        },
        "dataset": {"repo": "them/data", "revision": REVISION},
        "requests": {"sampling": {"top_p": 0.9}},
        "server_must_not_change": list(TaskPart),
        "sources": {"sampling": "their README"},
    },
    "test",
)
ROUND = small_round(submittable=True, closed=CLOSED)
DATA = {"data/a.parquet": "b" * 64}
NAMES = {"model", "dataset", "request store", "sampling", "images", "guided decoding", "server arguments"}
# Checks that score answers, for which the dataset must be there.
SCORED = {"score computed again", "sampled answers' score"}
SERVER = {"kind": "vLLM", "reported_arguments": {"--dtype": "float32", "--enable-prefix-caching": "False"}}


class Runs:
    """Valid runs and their inputs, which a test changes before they are judged."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.round = folder, ROUND
        self.server: dict[str, Any] = SERVER | {"inherited": {}}
        self.record: dict[str, Any] = {}
        self.lacking: set[str] = set()
        self.model_from = self.data_from = REVISION
        self.config: object = CONFIG
        self.manifest: dict[str, Any] = {}
        self.settings: dict[str, Any] = {}
        self.log: str | None = None

    def inputs(self) -> Inputs:
        write_products(self.folder / "products", self.round.samples)
        model = self.folder / "model"
        model.mkdir(exist_ok=True)
        (model / "config.json").write_text(json.dumps(self.config))
        sha256 = hashlib.sha256((model / "config.json").read_bytes()).hexdigest()
        files = (FileEntry(path="config.json", size=1, sha256=sha256),)
        data = tuple(FileEntry(path=path, size=1, sha256=sha256) for path, sha256 in DATA.items())
        manifest = {
            "dataset": DATA,
            "benchmark": "b",
            "model_name": "m",
            "settings": {"sampling": {"top_p": 0.9}} | self.settings,
            "prefix": '{"model":"m","messages":',
            "suffix": ',"response_format":null,"temperature":null,"top_p":0.9}',
            "count": 1,
            "bodies_bytes": 1,
            "bodies_sha256": "d" * 64,
        }
        return Inputs(
            model=_proof("model", "a" * 64, model, files, self.model_from),
            dataset=_proof("dataset", "c" * 64, self.folder / "products", data, self.data_from),
            store=StoreManifest.parse(manifest | self.manifest, "test"),
            prompt=PROMPT,
        )

    def judged(self, inputs: Inputs | None = None) -> Verdict:
        inputs = inputs or self.inputs()
        assert inputs.store is None or isinstance(inputs.store, StoreManifest)
        digest = StoreManifest.parse(
            {"dataset": DATA, "benchmark": "b", "model_name": "m", "prefix": "", "suffix": "", "count": 1}
            | {"bodies_bytes": 1, "bodies_sha256": "d" * 64},
            "test",
        ).dataset_digest
        for mode in Mode:
            folder = write_run(self.folder / "results", self.round, "server", mode)
            record = record_values(self.round, "server", mode)
            record["pins"] = {"model": "a" * 64, "dataset": digest}
            record["server"] |= self.server
            record |= self.record
            record["server"] = {k: v for k, v in record["server"].items() if k not in self.lacking}
            seal(folder, record)
            if self.log is not None:
                (folder / "server.log").write_text(self.log)
        results = self.folder / "results" / "server"
        return judge(
            performance=results / "performance",
            accuracy=results / "accuracy",
            evaluation=evaluation_of(self.round, results / "accuracy" / "mlperf_log_accuracy.json"),
            round_=self.round,
            scenario=self.round.scenarios["server"],
            inputs=inputs,
        )


def _proof(kind: str, digest: str, folder: Path, files: tuple[FileEntry, ...], revision: str | None) -> Proof:
    name = "model" if kind == "model" else "data"
    return Proof.parse(
        {"kind": kind, "folder": folder, "manifest_digest": digest, "files": [e.model_dump() for e in files]}
        | {"repo": f"them/{name}" if revision else None, "revision": revision},
        "test",
    )


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def failed(verdict: Verdict) -> dict[str, str]:
    assert verdict.outcome in ("INVALID", "VALID") or verdict.unknown
    return {check.name: str(check.value) for check in verdict.failed}


def check(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def test_runs_that_keep_the_rules_are_valid_and_each_rule_has_its_check(runs: Runs) -> None:
    verdict = runs.judged()
    assert (verdict.outcome, verdict.failed, verdict.unknown) == ("VALID", (), ())
    assert {check.name for check in verdict.checks} >= NAMES
    assert check(verdict, "model").value == "them/model at 111111111111; config.json as pinned"
    assert [each.run for each in verdict.checks if each.name == "server arguments"] == list(Mode)


def test_a_round_without_rules_makes_no_check(runs: Runs) -> None:
    runs.round = small_round(submittable=True)
    verdict = runs.judged(with_products(Inputs(), runs.folder / "products", runs.round.samples))
    assert verdict.outcome == "VALID"
    assert not {check.name for check in verdict.checks} & {*NAMES, "closed-division settings"}


def _other_model(runs: Runs) -> None:
    runs.model_from, runs.config = OTHER, CONFIG | {"text_config": {"num_hidden_layers": 48}}


@pytest.mark.parametrize(
    ("change", "name", "value"),
    [
        (_other_model, "model", "text_config.num_hidden_layers is 48, not 94"),
        (lambda runs: setattr(runs, "config", {}), "model", "architectures is null"),
        (lambda runs: setattr(runs, "data_from", OTHER), "dataset", "them/data at 222222222222"),
        (
            lambda runs: runs.manifest.update(dataset={"data/a.parquet": "e" * 64}),
            "dataset",
            "built from other files",
        ),
        (lambda runs: runs.manifest.update(bodies_sha256="e" * 64), "request store", "dddddddddddd"),
        (lambda runs: runs.settings.update(sampling={"temperature": 0.0}), "sampling", "temperature 0"),
        (
            lambda runs: runs.settings.update(sampling={"top_p": 0.9, "max_tokens": 9}),
            "sampling",
            "max_tokens 9",
        ),
        (lambda runs: runs.manifest.update(suffix=',"top_p":0.1}'), "sampling", "top_p 0.1"),
        (
            lambda runs: runs.manifest.update(suffix=',"top_p":0.9,"best_of":5}'),
            "sampling",
            "best_of is sent",
        ),
        (lambda runs: runs.manifest.update(suffix="}"), "sampling", "top_p -"),
        (lambda runs: runs.manifest.update(suffix=","), "sampling", "bodies that are no JSON"),
        (lambda runs: runs.settings.update(picture="original"), "images", "original"),
        (lambda runs: runs.settings.update(guided_decoding=True), "guided decoding", "on"),
        (
            lambda runs: runs.manifest.update(
                suffix=',"top_p":0.9,"response_format":{"type":"json_object"}}'
            ),
            "guided decoding",
            "on",
        ),
        (
            lambda runs: runs.record.update(requests={}, envelope=['{"messages":', "}"]),
            "sampling",
            "top_p -",
        ),
    ],
)
def test_a_deviation_fails_its_check(
    runs: Runs, change: Callable[[Runs], None], name: str, value: str
) -> None:
    change(runs)
    found = failed(runs.judged())
    assert list(found) == [name]
    assert value in found[name]


def test_the_remedy_names_the_rule_and_the_setting(runs: Runs) -> None:
    runs.settings["sampling"] = {"temperature": 0.0}
    remedy = check(runs.judged(), "sampling").remedy or ""
    assert "(their README); remove requests.sampling" in remedy


def test_weights_of_ones_own_with_the_pinned_values_are_told_from_another_model(runs: Runs) -> None:
    runs.model_from = ""
    verdict = runs.judged()
    assert verdict.outcome == "VALID"
    assert check(verdict, "model").value == "own weights, manifest aaaaaaaaaaaa; config.json as pinned"


@pytest.mark.parametrize("suffix", ["", "}}", ',"a":' + 100_000 * "["])
def test_bodies_that_are_no_json_prove_no_sampling(runs: Runs, suffix: str) -> None:
    runs.manifest["suffix"] = suffix
    told = check(runs.judged(), "sampling")
    assert told.passed is False
    assert "bodies that are no JSON" in str(told.value)


def test_the_limit_of_tokens_is_the_rounds_where_the_rules_name_none(runs: Runs) -> None:
    runs.round = ROUND.model_copy(update={"max_tokens": 9})
    runs.settings["sampling"] = {"top_p": 0.9, "max_tokens": 9}
    runs.manifest["suffix"] = ',"top_p":0.9,"max_tokens":9}'
    assert runs.judged().outcome == "VALID"


def test_weights_that_only_endpoints_have_leave_the_model_unproven(runs: Runs) -> None:
    inputs = runs.inputs()
    assert inputs.model is not None
    left = replace(inputs, model=inputs.model.model_copy(update={"without_weights": True}))
    verdict = runs.judged(left)
    model = check(verdict, "model")
    assert (verdict.outcome, model.passed) == ("UNPROVEN", None)
    assert "weights not proven" in str(model.value)
    assert "artifacts.model.weights" in str(model.remedy)


def test_a_changed_configuration_of_a_proven_model_is_unknown(runs: Runs) -> None:
    inputs = runs.inputs()
    (runs.folder / "model" / "config.json").write_text("{}")
    verdict = runs.judged(inputs)
    assert verdict.outcome == "UNPROVEN"
    assert "changed since its proof was written" in (check(verdict, "model").remedy or "")


def test_copies_beside_the_proof_stand_in_for_a_model_on_another_machine(runs: Runs) -> None:
    inputs = runs.inputs()
    assert inputs.model is not None
    proof = runs.folder / "proofs" / "model.json"
    proof.parent.mkdir()
    inputs.model.write(proof)
    place = (runs.folder / "model").rename(runs.folder / "gone")

    def judged() -> Verdict:
        shutil.rmtree(runs.folder / "results", ignore_errors=True)
        return runs.judged(replace(inputs, model=Inputs.read([proof], None).model))

    told = check(judged(), "model")
    assert told.passed is None
    assert "Copy config.json of the model into a folder model/ beside the proof" in (told.remedy or "")
    shutil.copytree(place, proof.parent / "model")
    assert check(judged(), "model").passed
    (proof.parent / "model" / "config.json").write_text("{}")
    assert check(judged(), "model").passed is None


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"command": ["vllm", "serve", "m", "--mm-processor-kwargs={}"]}, "--mm-processor-kwargs={}"),
        ({"command": ["vllm", "serve", "m", "--chat-template", "x"]}, "--chat-template=x"),
        ({"command": ["vllm", "serve", "m", "--hf_overrides={}"]}, "--hf_overrides={}"),
        (
            {"reported_arguments": {"--generation-config": "vllm"}},
            "--generation-config=vllm (reported)",
        ),
        (
            {"reported_arguments": {"--load-format": "auto | dummy"}},
            "--load-format=auto | dummy (reported)",
        ),
        (
            {"reported_arguments": {"--enable-prefix-caching": "True"}},
            "--enable-prefix-caching=True (reported)",
        ),
        ({"environment": {"VLLM_MEDIA_CONNECTOR": "x"}}, "VLLM_MEDIA_CONNECTOR=x"),
        ({"inherited": {"VLLM_PLUGINS": "p"}}, "VLLM_PLUGINS=p (inherited)"),
        ({"inherited": {"LD_PRELOAD": "p.so"}}, "LD_PRELOAD=p.so (inherited)"),
        ({"environment": {"PYTHONPATH": "p"}}, "PYTHONPATH=p"),
        ({"environment": {"APPTAINERENV_PYTHONPATH": "p"}}, "APPTAINERENV_PYTHONPATH=p"),
        ({"environment": {"SINGULARITYENV_LMCACHE_X": "1"}}, "SINGULARITYENV_LMCACHE_X=1"),
        ({"environment": {"LMCACHE_LOCAL_CPU": "1"}}, "LMCACHE_LOCAL_CPU=1"),
        ({"inherited": {"VLLM_MM_INPUT_CACHE_GIB": "4"}}, "VLLM_MM_INPUT_CACHE_GIB=4 (inherited)"),
    ],
)
def test_a_server_that_changes_the_task_fails_in_both_runs(
    runs: Runs, server: dict[str, Any], said: str
) -> None:
    runs.server |= server
    verdict = runs.judged()
    assert [(each.name, each.value, each.run) for each in verdict.failed] == [
        ("server arguments", said, mode) for mode in Mode
    ]


def test_arguments_that_only_change_speed_pass(runs: Runs) -> None:
    runs.server["command"] = ["vllm", "serve", "m", "--max-model-len=8000", "--load-format=runai_streamer"]
    runs.server["reported_arguments"] = {"--mm-processor-cache-gb": "0", "--load-format": "runai_streamer"}
    runs.server["environment"] = {"VLLM_NO_USAGE_STATS": "1"}
    assert runs.judged().outcome == "VALID"


def test_arguments_that_the_adapter_does_not_know_are_told(runs: Runs) -> None:
    runs.server["reported_arguments"] = {"--dtype": "bfloat16", "--brand-new": "1", "--newer": "2"}
    verdict = runs.judged()
    assert verdict.outcome == "VALID"
    told = check(verdict, "server arguments").value
    assert told == "3 reported, 2 unknown to the adapter: --brand-new, --newer"


def test_an_earlier_run_is_judged_by_its_servers_log(runs: Runs) -> None:
    runs.lacking = {"reported_arguments", "inherited"}
    runs.log = "INFO non-default args: {'dtype': 'float32'}\n"
    verdict = runs.judged()
    assert (verdict.failed, [each.name for each in verdict.unknown]) == ((), ["same server environment"])
    assert check(verdict, "server arguments").value == "1 reported, inherited variables not recorded"


def test_an_earlier_runs_log_convicts_it_too(runs: Runs) -> None:
    runs.lacking = {"reported_arguments"}
    runs.log = "INFO non-default args: {'generation_config': 'vllm'}\n"
    assert failed(runs.judged()) == {"server arguments": "--generation-config=vllm (reported)"}


@pytest.mark.parametrize("log", [None, "", "INFO non-default args: {'dtype': 'flo"])
def test_without_the_servers_report_nothing_is_proven(runs: Runs, log: str | None) -> None:
    runs.lacking, runs.log = {"reported_arguments"}, log
    verdict = runs.judged()
    assert verdict.outcome == "UNPROVEN"
    assert [each.name for each in verdict.unknown] == ["server arguments"] * 2
    assert "server.logs" in (verdict.unknown[0].remedy or "")


def test_servers_that_the_user_runs_are_judged_by_their_report_alone(runs: Runs) -> None:
    runs.server |= {"command": [], "endpoints": ["http://node1:8000"]}
    runs.server["reported_arguments"] = {"--mm-processor-cache-gb": "0", "--revision": REVISION}
    assert runs.judged().outcome == "VALID"


@pytest.mark.parametrize("reported", [{}, {"--dtype": "float32"}, {"--mm-processor-cache-gb": "0 | default"}])
def test_a_cache_that_a_users_server_has_by_default_is_not_off(runs: Runs, reported: dict[str, str]) -> None:
    runs.server |= {"command": [], "endpoints": ["http://node1:8000"], "reported_arguments": reported}
    value = failed(runs.judged())["server arguments"]
    assert "media-cache not switched off by --mm-processor-cache-gb=0" in value


def test_of_a_server_of_unknown_kind_nothing_is_proven(runs: Runs) -> None:
    runs.server["kind"] = None
    verdict = runs.judged()
    assert verdict.outcome == "UNPROVEN"
    assert "a server of unknown kind" in (verdict.unknown[0].remedy or "")


def test_a_demonstration_accepts_a_server_that_reports_nothing_but_not_one_that_deviates(
    runs: Runs, tmp_path: Path
) -> None:
    demonstration = ROUND.model_copy(update={"submittable": False})
    runs.round, runs.lacking = demonstration, {"reported_arguments"}
    verdict = runs.judged()
    assert verdict.outcome == "VALID"
    assert "server arguments" not in {check.name for check in verdict.checks}
    other = Runs(tmp_path / "other")
    other.folder.mkdir()
    other.round, other.lacking = demonstration, {"reported_arguments"}
    other.server["environment"] = {"VLLM_PLUGINS": "p"}
    assert failed(other.judged()) == {"server arguments": "VLLM_PLUGINS=p"}


def test_without_proofs_and_manifest_nothing_is_proven(runs: Runs) -> None:
    verdict = runs.judged(Inputs())
    assert verdict.outcome == "UNPROVEN"
    assert {each.name for each in verdict.unknown} == {
        *("model", "dataset", "sampling", "images", "guided decoding"),
        *SCORED,
    }
    remedies = [each.remedy or "" for each in verdict.unknown]
    assert all("--artifact" in remedy or "--store" in remedy for remedy in remedies)


def test_what_the_runs_recorded_of_their_requests_suffices(runs: Runs) -> None:
    runs.record = {
        "requests": {"sampling": {"top_p": 0.9}},
        "envelope": ['{"messages":', ',"top_p":0.9}'],
    }
    verdict = runs.judged(Inputs())
    assert {each.name for each in verdict.unknown} == {"model", "dataset", *SCORED}


def test_a_dataset_from_a_folder_of_unknown_origin_is_unknown(runs: Runs) -> None:
    runs.data_from = ""
    verdict = runs.judged()
    assert [each.name for each in verdict.unknown] == ["dataset"]


def test_logs_without_run_records_get_one_row(tmp_path: Path) -> None:
    for mode in Mode:
        (write_run(tmp_path, ROUND, "server", mode) / "run.json").unlink()
    [verdict] = judge_logs(tmp_path, ROUND).verdicts
    rows = [each for each in verdict.checks if each.name in {*NAMES, "closed-division settings"}]
    assert [(each.name, each.passed) for each in rows] == [("closed-division settings", None)]


def test_proofs_and_manifest_are_read_from_files(runs: Runs) -> None:
    inputs = runs.inputs()
    assert inputs.model is not None
    assert inputs.store is not None
    proof, manifest = runs.folder / "model.json", runs.folder / "manifest.json"
    inputs.model.write(proof)
    manifest.write_text(inputs.store.model_dump_json())
    assert Inputs.read([proof], manifest) == Inputs(model=inputs.model, store=inputs.store)
    assert Inputs.read([], None) == Inputs()
    with pytest.raises(InputError, match="a second proof of a model; pass that of the runs alone"):
        Inputs.read([proof, proof], None)
