"""The commands attest and verify as a person calls them: exit codes, a silent key, one sentence an error."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from attested_tree import make_key
from loadgen_files import small_round
from tree_evidence import write_demonstration

from weighbridge import cli
from weighbridge.core.errors import InputError

ROUND = small_round()
PROGRAM = Path(sys.executable).parent / "weighbridge"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a demonstration's tree, its round and a key; tests must not change it."""
    root = tmp_path_factory.mktemp("made")
    write_demonstration(root, ROUND)
    (root / "small.yaml").write_text(yaml.safe_dump(ROUND.model_dump(mode="json", exclude_defaults=True)))
    make_key(root, "key")
    return root


def _call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)


def _attest(made: Path, output: Path, *more: object, **environment: str) -> subprocess.CompletedProcess[str]:
    tree = made / "results" / "submission.tar.gz"
    given = ("--round", made / "small.yaml", "--tree", tree, "--output", output)
    return _call("--verbose", "--log", output.with_suffix(".log"), "attest", *given, *more, **environment)


def _verify(made: Path, tree: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return _call("verify", tree, "--round", made / "small.yaml", *more, COLUMNS="250")


def test_a_tree_is_attested_with_a_key_that_nobody_sees_and_verified(made: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(made / "results", results)
    key = (made / "key.pem").read_text()
    done = _attest(made, results / "attestation.json", "--key-env", "SIGNING_KEY", SIGNING_KEY=key)
    assert done.returncode == 0, done.stderr
    assert "attested, signed with the key" in done.stdout
    secret = key.splitlines()[1]
    assert secret not in done.stdout + done.stderr
    for path in results.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path

    verified = _verify(made, results / "submission.tar.gz", "--key", made / "key.pub")
    assert verified.returncode == 0, verified.stdout
    assert "VERIFIED: all 13 checks passed, and the signature is of the given key." in verified.stdout
    assert f"git checkout {'0' * 40}" in verified.stdout
    assert "\n    .venv/bin/weighbridge submit --set round=qwen3-vl-235b-a22b/small" in verified.stdout
    without = _verify(made, results / "submission.tar.gz")
    assert without.returncode == 0
    assert "NOT checked against a known key" in without.stdout
    assert "CONSISTENT: all 12 checks passed" in without.stdout

    [log] = (results / "submission").rglob("Server/performance/run_1/mlperf_log_summary.txt")
    log.write_text(log.read_text() + "\n")
    told = _verify(made, results / "submission")
    assert told.returncode == 4
    assert "differ: closed/Me/results/box/qwen3-vl-235b-a22b/Server/performance/run_1" in told.stdout
    assert "NOT VERIFIED" in told.stderr


def _error(*arguments: object) -> str:
    """Return the sentence of a call that ends with exit code 2."""
    with pytest.raises(InputError) as refused:
        typer.main.get_command(cli.app)(list(map(str, arguments)), standalone_mode=False)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--key-env", "NOT_SET"), "the variable NOT_SET is not set"),
        (("--key-file", "none.pem"), "cannot be read"),
        (("--key-file", "key.pub"), "is no private key in PEM"),
    ],
)
def test_a_wrong_key_is_told_before_anything_is_read_or_written(
    option: tuple[str, str], said: str, made: Path, tmp_path: Path
) -> None:
    public = tmp_path / "key.pub"
    shutil.copy(made / "key.pub", public)
    public.chmod(0o600)
    given = (option[0], tmp_path / option[1]) if option[0] == "--key-file" else option
    done = _call(
        "attest",
        "--round",
        "demo",
        "--tree",
        tmp_path / "none",
        "--output",
        tmp_path / "a" / "a.json",
        *given,
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert said in line
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--full",), "--full belongs to --lock"),
        (("--lock", "x.json", "--key", "x.pub"), "--lock compares a folder with a lock"),
        (("--originals", "x"), "needs both --originals and --dataset"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(options: tuple[str, ...], said: str) -> None:
    assert said in _error("verify", "tree", *options)
