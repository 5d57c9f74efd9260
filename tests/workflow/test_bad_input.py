"""What a user gets wrong is told in one sentence, with an exit code, before anything expensive starts."""

from pathlib import Path

import pytest
from driver import Answer, Workflow, run_weighbridge

BAD_SETTINGS = [
    ({"rounds": "v6.0"}, "unknown key 'rounds'"),
    ({"scenarios": {"server": {"target_qsp": 4}}}, "unknown key 'scenarios.server.target_qsp'"),
    ({"scenarios": {"server": {"target_qps": "fast"}}}, "'scenarios.server.target_qps' is \"fast\""),
    ({"scenarios": {"server": {"target_qps": 0}}}, "greater than 0"),
    ({"scenarios": {"server": {"target_qps": 1e9}}}, "than the 50000000 that a run can have; lower"),
    ({"round": "v9.9"}, "round 'v9.9' does not exist; the rounds are: "),
    ({"server": {"args": ["--enable-prefix-caching"]}}, "the round demands prefix-caching off"),
    ({"server": {"args": ["--enable-pre"]}}, "the round demands prefix-caching off"),
    ({"server": {"adapter": "vlm"}}, "the adapters here are: vllm, sglang"),
    ({"server": {"args": ["--port=80"]}}, "set server.port for a fixed one"),
    ({"server": {"args": ["another-model"]}}, "'another-model' is not one option"),
    ({"server": {"endpoints": ["localhost:8000"]}}, "no http(s) URL"),
    ({"artifacts": {"model": {"path": None, "repo": "a/b", "revision": "main"}}}, "never a branch"),
    ({"submission": {"submitter": "My Company"}}, "submission.submitter"),
    ({"submission": {"calibration": "no.md"}}, "submission.calibration: there is no file no.md"),
    ({"submission": {"signing_key_env": "NOT_SET"}}, "the variable NOT_SET is not set"),
    ({"submission": {"signing_key_file": "README.md"}}, "README.md lies in the project"),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD_SETTINGS)
def test_a_wrong_setting(workflow: Workflow, changes: dict[str, object], sentence: str) -> None:
    answer = workflow("-n", **changes)
    assert sentence in answer.text
    assert answer.code == 2
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("*.Server.target_latency = 15000", "sets target_latency to 15000, which round demo fixes at 12000"),
        ("*.Server.target_qps = 7", "target_qps is 5.0, but"),
    ],
)
def test_a_user_conf_that_the_round_or_the_settings_contradict(
    workflow: Workflow, line: str, sentence: str
) -> None:
    path = workflow.directory.parent / "my.conf"
    path.write_text(f"\n{line}\n")
    answer = workflow("-n", scenarios={"server": {"user_conf": str(path)}})
    assert sentence in answer.text
    assert str(path) in answer.text
    assert answer.code == 2
    assert "Traceback" not in answer.text


def test_a_configfile_that_replaces_the_profiles_own_is_refused(workflow: Workflow) -> None:
    """Without its own file, the demo would be the real benchmark, and fetch 470 GB."""
    answer = workflow("-n", "--profile", "profiles/rehearsal")
    assert "replaces rehearsal/config.yaml of the profile profiles/rehearsal" in answer.text
    assert "`--configfile rehearsal/config.yaml demo/config.yaml " in answer.text
    assert answer.code == 2
    assert workflow("-n", "--profile", "profiles/demo", "resources/preflight.json").code == 0


def test_a_wrong_key_of_a_file_is_named_by_line_and_column(workflow: Workflow) -> None:
    answer = workflow("-n", server={"gpuss": 8})
    assert (
        f"{workflow.directory.parent}/changes.yaml, line 2, column 3: unknown key 'server.gpuss'"
        in answer.text
    )
    assert answer.code == 2


NOT_CLOSED = [
    (
        {"requests": {"sampling": {"temperature": 0, "top_p": 0.1}}},
        "requests.sampling.temperature is 0.0, but",
    ),
    ({"requests": {"picture": "original"}}, 'requests.picture is "original", but'),
    ({"artifacts": {"dataset": {"revision": "0" * 40}}}, "artifacts.dataset.revision is 000"),
    ({"server": {"args": ["--mm_processor_kwargs.max_pixels=1000"]}}, "sets --mm-processor-kwargs, but"),
    ({"server": {"env": {"VLLM_PLUGINS": "mine"}}}, "server.env: VLLM_PLUGINS is 'mine', but"),
]


@pytest.mark.parametrize(("changes", "sentence"), NOT_CLOSED)
def test_what_the_closed_division_forbids_is_refused_and_in_the_open_one_told(
    root: Path, tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    submittable = Workflow(root, tmp_path / "run", base=".")
    closed = submittable("-n", **changes)
    assert sentence in closed.text
    assert "set submission.division: open" in closed.text
    assert closed.code == 2
    opened = submittable("-n", submission={"division": "open"}, **changes)
    assert sentence in opened.text
    assert "results are of the open division only" in opened.text
    assert "rule benchmark" in opened.text
    assert opened.code == 0


def test_a_variable_that_a_server_would_inherit_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_MODEL_REDIRECT_PATH", "elsewhere.jsonl")
    answer = Workflow(root, tmp_path / "run", base=".")("-n")
    assert "the environment: VLLM_MODEL_REDIRECT_PATH is 'elsewhere.jsonl', but" in answer.text
    assert answer.code == 2


def test_braces_in_the_path_of_the_checkout(root: Path, tmp_path: Path) -> None:
    (tmp_path / "{x}").symlink_to(root)
    answer = Workflow(tmp_path / "{x}", tmp_path / "run")("-n")
    assert "{x}/Snakefile: Snakemake takes braces in a path for wildcards" in answer.text
    assert answer.code == 2


def preflight(workflow: Workflow, **server: object) -> Answer:
    return workflow("resources/preflight.json", server=server)


def find_server(workflow: Workflow, **server: object) -> Answer:
    return workflow("resources/server.json", server=server)


def test_no_executable(workflow: Workflow) -> None:
    answer = find_server(workflow, executable="/nowhere/vllm")
    assert "the model server '/nowhere/vllm' is not an executable file here" in answer.text
    assert answer.code != 0


def test_results_that_cannot_be_written(workflow: Workflow) -> None:
    # A file in the folder's place stops root as well, whom permissions do not.
    workflow.directory.mkdir()
    (workflow.directory / "results").write_text("")
    answer = preflight(workflow)
    assert f"{workflow.directory / 'results'}: cannot be written" in answer.text
    assert "choose another run directory" in answer.text
    assert answer.code != 0


def test_no_gpus_points_to_the_demo(workflow: Workflow, root: Path) -> None:
    answer = preflight(workflow, gpus=4096)
    assert "server.gpus asks for 4096 GPUs" in answer.text
    assert "snakemake --profile profiles/demo submission" in answer.text
    assert answer.code != 0


def test_a_missing_system_library_is_named(workflow: Workflow, root: Path) -> None:
    server = root / "tests" / "integration" / "model_server.py"
    lacking = workflow.directory.parent / "vllm"
    lacking.write_text(f'#!/bin/sh\nMODEL_SERVER_FAULT=lacks-library exec "{server}" "$@"\n')
    lacking.chmod(0o755)
    answer = find_server(workflow, executable=str(lacking))
    assert "libnuma.so.1, which is not on this machine; apt-get install libnuma1" in answer.text


def test_a_model_folder_without_weights(workflow: Workflow, root: Path) -> None:
    folder = workflow.directory.parent / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (workflow.directory / "resources").mkdir(parents=True)
    for found in ("preflight", "server"):
        (workflow.directory / "resources" / f"{found}.json").write_text("{}")
    answer = workflow("resources/model.json", artifacts={"model": {"path": str(folder)}})
    assert "without weights (*.safetensors)" in answer.text
    assert answer.code != 0


def test_a_file_whose_checksum_differs(workflow: Workflow, root: Path) -> None:
    folder = workflow.directory.parent / "dataset"
    folder.mkdir()
    for path in sorted((root / "demo" / "dataset").rglob("*.parquet")):
        copy = folder / path.relative_to(root / "demo" / "dataset")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    # The size stays: only a hash can tell.
    data = bytearray(copy.read_bytes())
    data[len(data) // 2] ^= 1
    copy.write_bytes(bytes(data))
    (workflow.directory / "resources").mkdir(parents=True)
    for found in ("preflight", "server"):
        (workflow.directory / "resources" / f"{found}.json").write_text("{}")
    answer = workflow("resources/dataset.json", artifacts={"dataset": {"path": str(folder)}})
    assert copy.name in answer.text
    assert "sha256" in answer.text
    assert answer.code != 0


def test_a_command_alone_has_its_exit_code(root: Path, tmp_path: Path) -> None:
    answer = run_weighbridge(root, "summary", "--results", str(tmp_path))
    assert answer.code == 2
    assert len(answer.text.strip().splitlines()) == 1
