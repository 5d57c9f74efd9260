"""What of the environment reaches a server, what in it is refused, and what a record says of it."""

import os
from pathlib import Path

import pytest

import weighbridge
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.closed_rules import ServerFeature, TaskPart
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.run.closed_division import server_deviations
from weighbridge.serving.arguments import check_arguments
from weighbridge.serving.installed_adapters import find_adapter
from weighbridge.serving.launch import plan
from weighbridge.serving.server_environment import (
    CODE_LOADING,
    CODE_OF_SHELLS,
    inherited_by_server,
    inherited_variables,
    without_secrets,
)
from weighbridge.serving.task_changes import check_task

V60 = load_round("v6.0")
OURS = str(Path(weighbridge.__file__).parents[1])
VLLM = find_adapter("vllm")


def server(**values: object) -> ServerSettings:
    return ServerSettings.parse({"model_name": "m", "executable": "/bin/true"} | values, "server")


@pytest.mark.parametrize("variable", CODE_LOADING)
@pytest.mark.parametrize("adapter", ["vllm", "sglang"])
def test_what_loads_code_is_refused_where_the_task_is_fixed(adapter: str, variable: str) -> None:
    parts = V60.closed.server_must_not_change
    for settings, environ, remedy in (
        (server(adapter=adapter), {variable: "/mine/x"}, f"unset {variable}"),
        (server(adapter=adapter, env={variable: "/mine/x"}), {}, "remove the variable"),
    ):
        with pytest.raises(InputError, match=f"{variable} is '/mine/x', which changes any part.*{remedy}"):
            check_task(settings, parts, environ)
        (deviation,) = server_deviations(settings, V60, environ)
        assert "nothing changes any part of the task" in deviation.sentence("v6.0", "closed")
        check_task(settings, (), environ)
    check_task(server(adapter=adapter, endpoints=["http://h"]), parts, {variable: "/mine/x"})


@pytest.mark.parametrize("prefix", ["APPTAINERENV_", "SINGULARITYENV_"])
def test_what_is_meant_for_a_container_is_taken_for_what_it_is_there(prefix: str) -> None:
    parts, forbidden = tuple(TaskPart), (ServerFeature.PREFIX_CACHING, ServerFeature.MEDIA_CACHE)
    for name in ("LD_PRELOAD", "VLLM_PLUGINS"):
        with pytest.raises(InputError, match=f"the environment: {prefix}{name} is"):
            check_task(server(), parts, {prefix + name: "x"})
        with pytest.raises(InputError, match=f"server.env: {prefix}{name} is"):
            check_task(server(env={prefix + name: "x"}), parts, {})
    for adapter, name in (("vllm", "LMCACHE_LOCAL_CPU"), ("sglang", "SGLANG_VLM_CACHE_SIZE_MB")):
        with pytest.raises(InputError, match=f"environment has {prefix}{name}"):
            check_arguments(server(adapter=adapter), forbidden, {prefix + name: "1"})
        with pytest.raises(InputError, match=f"server.env sets {prefix}{name}"):
            check_arguments(server(adapter=adapter, env={prefix + name: "1"}), forbidden)
    # A start sets the plain one itself, after what it inherits.
    check_arguments(server(adapter="sglang"), forbidden, {"SGLANG_VLM_CACHE_SIZE_MB": "1"})
    environ = {f"{prefix}NCCL_DEBUG": "INFO", f"{prefix}VLLM_API_KEY": "k", f"{prefix}EDITOR": "vi"}
    assert inherited_variables(VLLM, environ) == {f"{prefix}NCCL_DEBUG": "INFO"}


def test_a_server_does_not_inherit_a_private_key() -> None:
    environ = {"SIGNING_KEY": "-----BEGIN PRIVATE KEY-----\nMC4\n-----END PRIVATE KEY-----\n", "HOME": "/me"}
    assert inherited_by_server(environ) == {"HOME": "/me"}


@pytest.mark.parametrize("variable", CODE_OF_SHELLS)
def test_what_people_set_for_their_shells_reaches_no_server(variable: str) -> None:
    check_task(server(), tuple(TaskPart), {variable: "/home/me/.rc"})
    assert inherited_by_server({variable: "/home/me/.rc", "HOME": "/home/me"}) == {"HOME": "/home/me"}
    with pytest.raises(InputError, match=f"server.env: {variable} is"):
        check_task(server(env={variable: "/home/me/.rc"}), tuple(TaskPart), {})


@pytest.mark.parametrize(
    "entries", [(OURS,), (OURS, ""), (os.path.relpath(OURS),), (f"{OURS}/", OURS), ("",)]
)
def test_with_what_weighbridge_runs_itself_nobody_is_refused(
    entries: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entries))
    check_task(server(), tuple(TaskPart), os.environ)
    (launch,) = plan(server(), tmp_path, tmp_path / "server.log", ())
    assert "PYTHONPATH" not in launch.environment
    assert "PYTHONPATH" not in inherited_variables(VLLM, os.environ)


def test_a_folder_of_the_users_beside_ours_is_kept_and_refused() -> None:
    environ = {"PYTHONPATH": os.pathsep.join([OURS, "/mine", ""])}
    assert inherited_by_server(environ) == {"PYTHONPATH": "/mine"}
    with pytest.raises(InputError, match="PYTHONPATH is '/mine'"):
        check_task(server(), (TaskPart.MODEL,), environ)


def test_libraries_of_the_system_may_lie_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/cuda/lib64")
    check_task(server(), tuple(TaskPart), os.environ)
    (launch,) = plan(server(), tmp_path, tmp_path / "server.log", ())
    assert launch.environment["LD_LIBRARY_PATH"] == "/opt/cuda/lib64"
    assert inherited_variables(VLLM, os.environ)["LD_LIBRARY_PATH"] == "/opt/cuda/lib64"


@pytest.mark.parametrize("adapter", ["vllm", "sglang"])
def test_variables_of_a_cache_outside_the_server_are_refused(adapter: str) -> None:
    forbidden = (ServerFeature.PREFIX_CACHING,)
    with pytest.raises(InputError, match=r"environment has LMCACHE_CONFIG_FILE.*prefix-caching off"):
        check_arguments(server(adapter=adapter), forbidden, {"LMCACHE_CONFIG_FILE": "x"})
    with pytest.raises(InputError, match=r"server\.env sets LMCACHE_LOCAL_CPU"):
        check_arguments(server(adapter=adapter, env={"LMCACHE_LOCAL_CPU": "1"}), forbidden)
    check_arguments(server(adapter=adapter, env={"LMCACHE_LOCAL_CPU": "1"}), ())


@pytest.mark.parametrize(
    ("adapter", "argument"),
    [
        ("vllm", "--kv-transfer-config={}"),
        ("vllm", "--kv-offloading-size=8"),
        ("vllm", "--kv_offloading_backend=native"),
        ("vllm", "--ec-transfer-config={}"),
        ("sglang", "--enable-hierarchical-cache"),
        ("sglang", "--hicache-storage-backend=file"),
        ("sglang", "--enable-lmcache"),
        ("sglang", "--disaggregation-mode=decode"),
    ],
)
def test_what_brings_a_forbidden_cache_back_is_refused(adapter: str, argument: str) -> None:
    with pytest.raises(InputError, match="the round demands"):
        check_arguments(server(adapter=adapter, args=[argument]), V60.server_must_not)


def test_middleware_is_refused() -> None:
    with pytest.raises(InputError, match="--middleware"):
        check_task(server(args=["--middleware=mine.code"]), V60.closed.server_must_not_change, {})


ENVIRON = {
    "VLLM_LOGGING_LEVEL": "DEBUG",
    "VLLM_API_KEY": "secret-1",
    "VLLM_OTHER_SECRET": "secret-2",
    "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE": "5",
    "VLLM_PORT": "8123",
    "VLLM_HOST_IP": "10.0.0.7",
    "S3_ACCESS_KEY_ID": "secret-3",
    "HF_TOKEN": "secret-4",
    "HF_ENDPOINT": "https://me:secret-5@hub",
    "PATH": "/bin",
    "HOME": "/home/me",
    "SGLANG_VLM_CACHE_SIZE_MB": "7",
    "OMP_NUM_THREADS": "8",
    "NCCL_ALGO": "Ring",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "CUDA_VISIBLE_DEVICES": "4,5",
    "LD_LIBRARY_PATH": "/opt/lib",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
    "TMPDIR": "/scratch/job.4711",
    "SLURM_JOB_ID": "4711",
    "SLURM_STEP_ID": "3",
    "TRITON_CACHE_DIR": "/scratch/job.4711/triton",
    "TORCHINDUCTOR_CACHE_DIR": "/local/4711/inductor",
    "RAY_ADDRESS": "10.0.0.7:6379",
}


def test_the_record_has_what_changes_a_server_and_no_secret() -> None:
    found = inherited_variables(VLLM, ENVIRON, overridden=["NCCL_ALGO"])
    assert found == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "HF_ENDPOINT": "https://***@hub",
        "LD_LIBRARY_PATH": "/opt/lib",
        "OMP_NUM_THREADS": "8",
        "PYTHONHASHSEED": "0",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "TORCHINDUCTOR_CACHE_DIR": "/local/$SLURM_JOB_ID/inductor",
        "TRITON_CACHE_DIR": "$TMPDIR/triton",
        "VLLM_LOGGING_LEVEL": "DEBUG",
        "VLLM_MAX_TOKENS_PER_EXPERT_FP4_MOE": "5",
    }
    assert "secret-" not in str(found)
    assert "SGLANG_VLM_CACHE_SIZE_MB" in inherited_variables(find_adapter("sglang"), ENVIRON)


def test_the_record_is_the_same_in_another_job_of_the_same_system() -> None:
    another = {name: value.replace("4711", "52") for name, value in ENVIRON.items()}
    another |= {"VLLM_PORT": "9", "CUDA_VISIBLE_DEVICES": "0,1", "SLURM_JOB_ID": "5200", "RAY_ADDRESS": "x"}
    another |= {"TORCHINDUCTOR_CACHE_DIR": "/local/5200/inductor", "TMPDIR": "/scratch/job.52"}
    assert inherited_variables(VLLM, another) == inherited_variables(VLLM, ENVIRON)


def test_a_temporary_folder_that_all_share_is_named() -> None:
    assert inherited_variables(VLLM, {"TMPDIR": "/tmp", "TRITON_CACHE_DIR": "/tmp/x"}) == {
        "TRITON_CACHE_DIR": "/tmp/x"
    }


def test_secrets_of_the_settings_are_masked_by_name_and_by_value() -> None:
    token = "hf_" + "aB3" * 11
    shown = without_secrets({"X_TOKEN": "abcdefgh", "Y": f"use {token}", "TOKENIZERS_PARALLELISM": "false"})
    assert shown == {"X_TOKEN": "***", "Y": "***", "TOKENIZERS_PARALLELISM": "false"}
