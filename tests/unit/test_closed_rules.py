"""What the closed division forbids is refused before anything starts; in the open one it is reported."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from weighbridge import cli
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_settings import request_deviations
from weighbridge.config.request_settings import RequestSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.config.settings import Settings
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.run import preflight
from weighbridge.run.closed_division import check_division, fixed_parts, input_deviations, unproven_servers
from weighbridge.serving.running_server import running_server

V60 = load_round("v6.0")
DECLARED = {
    "weight_transformations": "fp8",
    "weight_data_types": "fp8",
    "starting_weights_filename": "fp8 of it",
}


def merged(base: Any, changes: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    return {key: merged(base.get(key), changes.get(key, base.get(key))) for key in (base | changes)}


def settings_with(root: Path, changes: dict[str, Any], division: str = "closed") -> Settings:
    """Return config.yaml as it is shipped, with changes laid over it."""
    data = merged(yaml.safe_load((root / "config.yaml").read_text()), changes)
    data["submission"]["division"] = division
    return Settings.parse(data, "configuration")


def args(*more: str) -> dict[str, Any]:
    return {"server": {"args": list(more)}}


def env(name: str) -> dict[str, Any]:
    return {"server": {"env": {name: "1"}}}


OTHER = "0" * 40
REFUSED = [
    ({"requests": {"sampling": {"temperature": 0}}}, "requests.sampling.temperature is 0.0, but"),
    ({"requests": {"sampling": {"top_p": 0.1}}}, "requests.sampling.top_p is 0.1, but"),
    (
        {"requests": {"sampling": {"frequency_penalty": 1.0}}},
        "requests.sampling.frequency_penalty is 1.0, but",
    ),
    ({"requests": {"sampling": {"presence_penalty": 1}}}, "requests.sampling.presence_penalty is 1.0, but"),
    ({"requests": {"picture": "original"}}, 'requests.picture is "original", but'),
    ({"requests": {"guided_decoding": True}}, "requests.guided_decoding is true, but"),
    ({"artifacts": {"model": {"revision": OTHER}}}, f"artifacts.model.revision is {OTHER}, but"),
    ({"artifacts": {"model": {"repo": "a/b"}}}, "artifacts.model.repo is a/b, but"),
    ({"artifacts": {"dataset": {"revision": OTHER}}}, f"artifacts.dataset.revision is {OTHER}, but"),
    ({"artifacts": {"dataset": {"repo": "a/b"}}}, "artifacts.dataset.repo is a/b, but"),
    (
        {"artifacts": {"dataset": {"repo": None, "revision": None, "synthetic": 9}}},
        "artifacts.dataset.synthetic is 9, but",
    ),
    (
        {"artifacts": {"model": {"repo": None, "revision": None, "synthetic": 1}}},
        "artifacts.model.synthetic is 1, but",
    ),
    ({"artifacts": {"model": {"path": "fp8", "manifest": "l.json"}}}, "artifacts.model.path is fp8, but"),
    (args('--mm-processor-kwargs={"max_pixels":1000}'), "sets --mm-processor-kwargs, but"),
    (args("--mm-processor-kwargs.max_pixels=1000"), "sets --mm-processor-kwargs, but"),
    (args("--mm_processor_kwargs.max_pixels=1000"), "sets --mm-processor-kwargs, but"),
    (args('--mm-processor-k={"max_pixels":1000}'), "sets --mm-processor-kwargs, but"),
    (args("--media-io-kwargs.image.size=9"), "sets --media-io-kwargs, but"),
    (args("--generation-config=vllm"), "sets --generation-config, but"),
    (args("--generation_config=vllm"), "sets --generation-config, but"),
    (args("--gener=vllm"), "sets --generation-config, but"),
    (args('--override-generation-config={"top_k":1}'), "sets --override-generation-config, but"),
    (args("--override-generation-config.top_k=1"), "sets --override-generation-config, but"),
    (args("--hf-overrides.text_config.num_hidden_layers=9"), "sets --hf-overrides, but"),
    (args('--hf_overrides={"x":1}'), "sets --hf-overrides, but"),
    (args("--chat-template=short.jinja"), "sets --chat-template, but"),
    (args('--speculative-config={"method":"ngram"}'), "sets --speculative-config, but"),
    (args("--load-format=dummy"), "sets --load-format, but"),
    (args("--quantization=fp8"), "'--quantization=fp8' quantises the weights while they are loaded, but"),
    (env("VLLM_MODEL_REDIRECT_PATH"), "server.env: VLLM_MODEL_REDIRECT_PATH is '1', but"),
]


@pytest.mark.parametrize(("changes", "found"), REFUSED)
def test_the_closed_division_refuses_what_the_rules_fix(root: Path, changes: Any, found: str) -> None:
    with pytest.raises(InputError) as caught:
        check_division(settings_with(root, changes), V60, {})
    sentence = str(caught.value)
    assert found in sentence
    assert "but the closed division of round v6.0 demands " in sentence
    assert sentence.endswith(", or set submission.division: open, where it is reported.")
    assert "README" in sentence or "task.py" in sentence, "the source"
    assert "\n" not in sentence


@pytest.mark.parametrize(("changes", "found"), REFUSED)
def test_the_open_division_allows_and_reports_it(root: Path, changes: Any, found: str) -> None:
    (sentence,) = check_division(settings_with(root, changes, "open"), V60, {})
    assert found in sentence
    assert sentence.endswith("; results are of the open division only.")


def test_variables_of_the_environment_are_refused_too(root: Path) -> None:
    with pytest.raises(
        InputError, match=r"the environment: VLLM_PLUGINS is 'mine', but .*; unset VLLM_PLUGINS"
    ):
        check_division(settings_with(root, {}), V60, {"VLLM_PLUGINS": "mine", "HOME": "/root"})


def test_every_deviation_is_told_in_the_open_division(root: Path) -> None:
    changes = {"requests": {"picture": "original", "sampling": {"top_p": 0.1}}} | args("--revision=x")
    assert len(check_division(settings_with(root, changes, "open"), V60, {})) == 3


@pytest.mark.parametrize("name", ["v6.0", "v6.1"])
def test_the_shipped_settings_are_of_the_closed_division(root: Path, name: str) -> None:
    assert check_division(settings_with(root, {}), load_round(name), {"VLLM_LOGGING_LEVEL": "DEBUG"}) == ()


def test_arguments_of_published_systems_pass(root: Path) -> None:
    # From the results of v6.0; without one that sets max_new_tokens to 150, which this release refuses.
    published = args(
        "--pipeline-parallel-size=1",
        "--data-parallel-size=1",
        "--enable-expert-parallel",
        "--async-scheduling",
        "--mm-encoder-attn-backend=FLASHINFER",
        "--max-model-len=32768",
        "--max-num-seqs=1024",
        "--max-num-batched-tokens=8192",
        '--compilation-config={"max_cudagraph_capture_size":8192}',
        "--limit-mm-per-prompt.video=0",
        '--kv-events-config={"publisher":"null"}',
        "--distributed-executor-backend=mp",
        "--scheduling-policy=sjf",
        "--all2all-backend=flashinfer_all2allv",
        "--kv-cache-dtype=fp8",
        "--model-impl=vllm",
        "-O3",
    )
    variables = dict.fromkeys(
        ("VLLM_LOGGING_LEVEL", "VLLM_USE_FLASHINFER_MOE_FP4", "VLLM_USE_FLASHINFER_SAMPLER"), "1"
    )
    published["server"]["env"] = variables
    assert check_division(settings_with(root, published), V60, variables) == ()


def test_streaming_is_free_and_a_limit_of_answers_in_a_demonstration() -> None:
    free = RequestSettings.parse({"stream": True, "sampling": {"max_tokens": 20}}, "test")
    assert request_deviations(free, load_round("demo")) == ()


def test_a_limit_of_answers_is_the_rounds_or_refused_before_anything_starts(root: Path) -> None:
    short = {"requests": {"sampling": {"max_tokens": 20}}}
    told = "requests.sampling.max_tokens is 20, but the closed division of round v6.0 demands none"
    with pytest.raises(InputError, match=re.escape(told)):
        check_division(settings_with(root, short), V60, {})
    assert [told in said for said in check_division(settings_with(root, short, "open"), V60, {})] == [True]
    v61 = load_round("v6.1")  # withdrawn, yet held to its rules
    assert not v61.submittable
    assert request_deviations(RequestSettings.parse({"sampling": {"max_tokens": 150}}, "test"), v61) == ()
    (found,) = request_deviations(RequestSettings.parse(short["requests"], "test"), v61)
    assert found.demanded == "150"
    unfixed = v61.model_copy(update={"closed": v61.closed.model_copy(update={"requests": None})})
    assert request_deviations(RequestSettings.parse(short["requests"], "test"), unfixed) == (found,)
    assert request_deviations(RequestSettings.parse({"picture": "original"}, "test"), unfixed) == ()


def test_weights_that_were_trained_again_are_refused_before_anything_starts(root: Path) -> None:
    trained = {"submission": {"measurements": {"retraining": "LoRA"}}}
    told = "submission.measurements.retraining is 'LoRA', but the closed division of round v6.0 demands"
    with pytest.raises(InputError, match=re.escape(told)):
        check_division(settings_with(root, trained), V60, {})
    assert [told in said for said in check_division(settings_with(root, trained, "open"), V60, {})] == [True]
    trained["submission"]["measurements"]["retraining"] = "No"
    assert check_division(settings_with(root, trained), V60, {}) == ()


@pytest.mark.parametrize(
    "model",
    [
        {"repo": None, "revision": None, "path": "fp8", "manifest": "fp8.json"},
        {"path": "fp8", "manifest": "fp8.json"},
        {"repo": "org/Qwen3-VL-FP8", "revision": OTHER},
    ],
)
def test_quantised_weights_are_allowed_once_declared(root: Path, model: dict[str, Any]) -> None:
    changes: dict[str, Any] = {"artifacts": {"model": model}, **args("--quantization=compressed-tensors")}
    changes["submission"] = {"measurements": DECLARED, "calibration": "calibration.md"}
    assert check_division(settings_with(root, changes), V60, {}) == ()
    for missing in DECLARED:
        changes["submission"]["measurements"] = {k: v for k, v in DECLARED.items() if k != missing}
        with pytest.raises(InputError, match=rf"declare submission\.measurements\.{missing}[;,]"):
            check_division(settings_with(root, changes), V60, {})
    changes["submission"] = {"measurements": DECLARED}
    with pytest.raises(InputError, match=r"declare submission\.calibration[;,]"):
        check_division(settings_with(root, changes), V60, {})


def test_weights_that_are_quantised_while_loading_are_allowed_once_declared(root: Path) -> None:
    stated = {"weight_transformations": "dynamic fp8", "weight_data_types": "fp8"}
    changes = {"submission": {"measurements": stated, "calibration": "none.md"}} | args("-qfp8")
    assert check_division(settings_with(root, changes), V60, {}) == ()


def test_a_local_copy_of_the_model_is_stated_to_be_unchanged(root: Path) -> None:
    changes: dict[str, Any] = {
        "artifacts": {"model": {"path": "copy", "manifest": "copy.json"}},
        "submission": {"measurements": {"weight_transformations": "No"}},
    }
    assert check_division(settings_with(root, changes), V60, {}) == ()
    changes["artifacts"]["model"] |= {"repo": None, "revision": None}
    with pytest.raises(InputError, match="for an unchanged copy, set its repo and revision too"):
        check_division(settings_with(root, changes), V60, {})


def test_a_local_copy_of_the_dataset_names_where_it_is_from(root: Path) -> None:
    dataset: dict[str, Any] = {"path": "data", "manifest": "data.json"}
    assert check_division(settings_with(root, {"artifacts": {"dataset": dataset}}), V60, {}) == ()
    dataset |= {"repo": None, "revision": None}
    with pytest.raises(
        InputError, match=r"path is data, without repo .* set its repo and revision beside the"
    ):
        check_division(settings_with(root, {"artifacts": {"dataset": dataset}}), V60, {})


@pytest.mark.parametrize("overlay", ["demo/config.yaml", "rehearsal/config.yaml"])
def test_demonstrations_pin_no_inputs_and_keep_the_task(root: Path, overlay: str) -> None:
    changes = yaml.safe_load((root / overlay).read_text())
    settings = settings_with(root, changes)
    round_ = load_round(settings.round)
    assert check_division(settings, round_, {}) == ()
    changed = settings_with(root, merged(changes, {"requests": {"sampling": {"temperature": 0}}}))
    with pytest.raises(InputError, match=r"requests\.sampling\.temperature is 0\.0"):
        check_division(changed, round_, {})


def test_servers_of_the_open_division_may_do_another_task() -> None:
    assert fixed_parts(V60, "open") == ()
    assert fixed_parts(V60, "closed") == V60.closed.server_must_not_change != ()


def command(*arguments: str) -> Exception | None:
    """Return what a command raises, which the program tells as one sentence."""
    found = CliRunner().invoke(cli.app, arguments).exception
    assert found is None or isinstance(found, Exception)
    return found


SERVER = '{"model_name": "m", "args": ["--mm-processor-kwargs={}"]}'


def test_the_preflight_refuses_what_changes_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "check_loadgen", lambda _: "6.0.15")
    asked = ("preflight", "--round", "v6.0", "--results", str(tmp_path), "--output", str(tmp_path / "p.json"))
    refused = command(*asked, "--server", SERVER)
    assert isinstance(refused, InputError)
    assert "nothing changes the media of the task (README, " in str(refused)
    monkeypatch.setenv("VLLM_PLUGINS", "mine")
    assert "unset VLLM_PLUGINS" in str(command(*asked, "--server", '{"model_name": "m"}'))
    assert command(*asked, "--server", SERVER, "--division", "open") is None


def test_requests_that_the_closed_division_forbids_are_not_built(tmp_path: Path) -> None:
    asked = ("build-requests", "--round", "v6.0", "--dataset", "none.json", "--out", str(tmp_path / "store"))
    asked += ("--server", '{"model_name": "m"}', "--requests", '{"picture": "original"}')
    assert 'requests.picture is "original", but' in str(command(*asked))
    assert "none.json" in str(command(*asked, "--division", "open")), "the next thing that is wrong"


def test_servers_of_which_nothing_shows_the_arguments_are_told_before_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(preflight, "check_loadgen", lambda _: "6.0.15")
    mine = ServerSettings(model_name="m", endpoints=("http://127.0.0.1:1",), endpoints_timeout_s=9)
    preflight.check(V60, mine, tmp_path)
    assert "server.endpoints: nothing shows the arguments of these servers" in caplog.text
    logged = mine.model_copy(update={"logs": (tmp_path / "a.log",)})
    for server, round_, division in (
        (logged, V60, "closed"),
        (ServerSettings(model_name="m"), V60, "closed"),
        (mine, load_round("demo"), "closed"),
        (mine, V60, "open"),
    ):
        assert unproven_servers(server, round_, division) is None


@pytest.mark.parametrize("name", ["preflight", "build-requests", "run", "serve", "search-qps"])
def test_each_command_that_refuses_knows_the_open_division(name: str) -> None:
    definition = typer.main.get_group(cli.app).commands[name]
    assert "--division" in {option for parameter in definition.params for option in parameter.opts}


def test_no_server_is_started_that_would_do_another_task(tmp_path: Path) -> None:
    server = ServerSettings.parse(
        {"model_name": "m", "executable": "/nowhere/vllm", "args": ["--hf-overrides={}"]}, "server"
    )
    with (
        pytest.raises(InputError, match="sets --hf-overrides, which changes the model of the task"),
        running_server(
            server, tmp_path, tmp_path / "log", forbidden=(), must_not_change=fixed_parts(V60, "closed")
        ),
    ):
        pytest.fail("started")


def proven(folder: Path, **config: object) -> Proof:
    """Return the proof of a model's folder with the round's configuration, and some of it changed."""
    assert V60.closed.model is not None
    files = []
    for name, values in V60.closed.model.files.items():
        data: dict[str, Any] = {}
        for key, value in (values | (config if name == "config.json" else {})).items():
            at = data
            *above, last = key.split(".")
            for part in above:
                at = at.setdefault(part, {})
            at[last] = value
        (folder / name).write_text(json.dumps(data))
        files.append(FileEntry(path=name, size=1, sha256=sha256_of(folder / name)))
    return Proof(
        kind=ArtifactKind.MODEL,
        folder=folder,
        repo=None,
        revision=None,
        manifest_digest="0" * 64,
        files=tuple(files),
    )


def test_a_run_refuses_another_models_configuration_before_the_gate_would(tmp_path: Path) -> None:
    assert input_deviations(proven(tmp_path), RequestSettings(), V60) == ()
    (found,) = input_deviations(proven(tmp_path, **{"vision_config.depth": 9}), RequestSettings(), V60)
    assert found.sentence("v6.0", "closed").startswith(
        "the model's config.json: vision_config.depth is 9, not 27, but the closed division of round v6.0 "
        "demands the configuration of Qwen/Qwen3-VL-235B-A22B-Instruct (README"
    )
    assert input_deviations(proven(tmp_path), RequestSettings(), load_round("demo")) == ()


def test_a_run_leaves_a_folder_that_it_cannot_read_to_the_gate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    proof = proven(tmp_path)
    (tmp_path / "config.json").unlink()
    assert input_deviations(proof, RequestSettings(), V60) == ()
    assert "config.json: cannot be read" in caplog.text


def test_a_run_refuses_requests_that_were_built_with_other_settings(tmp_path: Path) -> None:
    built = RequestSettings.parse({"picture": "original", "stream": True}, "test")
    (found,) = input_deviations(proven(tmp_path), built, V60)
    assert found.found == 'requests.picture is "original"'


@pytest.mark.parametrize("name", ["run", "search-qps"])
def test_a_measurement_checks_its_inputs_before_it_starts_a_server(name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    proven(tmp_path / "model", **{"vision_config.depth": 9}).write(tmp_path / "model.json")
    store = StoreManifest(
        benchmark=V60.benchmark,
        model_name="m",
        pillow="12",
        prefix="{",
        suffix="}",
        count=1,
        bodies_bytes=1,
        bodies_sha256="0" * 64,
    )
    (tmp_path / "manifest.json").write_text(store.model_dump_json())
    asked = ["--round", "v6.0", "--scenario", "server", "--server", '{"model_name": "m"}']
    asked += ["--model", str(tmp_path / "model.json"), "--store", str(tmp_path)]
    asked += {
        "run": ["--mode", "performance", "--target-qps", "1", "--out", str(tmp_path / "out")],
        "search-qps": ["--offline", str(tmp_path / "run.json"), "--output", str(tmp_path / "peak.json")],
    }[name]
    assert "vision_config.depth is 9, not 27, but" in str(command(name, *asked))


def test_an_option_and_its_value_are_one_element(root: Path) -> None:
    with pytest.raises(InputError, match=r"'\{\}' is not one option; write each as --name=value"):
        settings_with(root, args("--hf-overrides", "{}"))


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_mlcommons_own_copy_is_taken_as_what_it_is_a_copy_of(root: Path, kind: str) -> None:
    stored = {"source": "mlcommons", "uri": "some.uri"}
    assert check_division(settings_with(root, {"artifacts": {kind: stored}}), V60, {}) == ()
    nameless = stored | {"repo": None, "revision": None}
    with pytest.raises(
        InputError, match=rf"artifacts\.{kind}\.uri is some\.uri, without .*repo and revision"
    ):
        check_division(settings_with(root, {"artifacts": {kind: nameless}}), V60, {})
