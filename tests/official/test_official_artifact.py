"""The official client as an artifact: its proof, the commit it reports itself, the rows that it makes."""

import os
import subprocess
from pathlib import Path

import pytest
from git_repository import git

from weighbridge.artifacts.checked_out import proven_checkout
from weighbridge.artifacts.proof import Proof
from weighbridge.benchmarks.rounds import load_round
from weighbridge.config.round import Round
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.core.errors import InputError, SetupError
from weighbridge.endpoints.client_environment import client_environment
from weighbridge.endpoints.dataset_rows import link_rows, make_rows, proven_rows

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "demo"
ITS_COMMIT = "from inference_endpoint.utils.version import get_git_sha; print(get_git_sha())"
# What the client itself would make of the dataset: its own generate(), given our files in place of the hub's.
AS_IT_WOULD = """
import importlib, sys
from pathlib import Path
import datasets, pandas
from inference_endpoint.dataset_manager import Dataset
name, split_files, found, cache = sys.argv[1], sys.argv[2].split(), sys.argv[3], Path(sys.argv[4])
dataset = Dataset.PREDEFINED[name]
def local(repo, split, **_):
    arrow = str(cache / "arrow")
    return datasets.load_dataset("parquet", data_files=split_files, split="train", cache_dir=arrow)
importlib.import_module(dataset.__module__).load_dataset = local
theirs = dataset.generate(datasets_dir=cache, force=True)
ours = dataset.generate(datasets_dir=Path(found))
pandas.testing.assert_frame_equal(pandas.read_parquet(next(cache.rglob(f"{name}*.parquet"))), ours)
pandas.testing.assert_frame_equal(theirs, ours)
print(len(ours), "equal")
"""


def ask(python: Path, tree: Path, home: Path, code: str, *arguments: str) -> str:
    environment = client_environment(tree, home, os.environ)
    command = [python, "-c", code, *arguments]
    return subprocess.run(
        command, env=environment, cwd=home, check=True, capture_output=True, text=True
    ).stdout.strip()


def demo_dataset(folder: Path) -> Path:
    pin = f'{{"path": "{DEMO}/dataset", "manifest": "{DEMO}/locks/demo-dataset.json"}}'
    command = ["weighbridge", "fetch", "--kind", "dataset", "--artifact", pin]
    command += ["--into", "dataset", "--proof", "dataset.json"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "dataset.json"


def test_the_client_is_proven_and_reports_the_commit_itself(
    client_proof: Proof, client_python: Path, tmp_path: Path
) -> None:
    assert client_proof.revision is not None
    assert client_proof.tree == git(client_proof.folder, "rev-parse", f"{client_proof.revision}^{{tree}}")
    assert ask(client_python, client_proof.folder, tmp_path, ITS_COMMIT) == client_proof.revision[:7]
    assert not proven_checkout(client_proof.folder, client_proof.revision).modified


def test_what_is_not_the_client_is_refused_though_it_reports_the_commit(
    client_proof: Proof, client_python: Path, tmp_path: Path
) -> None:
    assert client_proof.revision is not None
    copy, archive = tmp_path / "copy", tmp_path / "archive"
    git(tmp_path, "clone", "--quiet", "--no-hardlinks", f"file://{client_proof.folder}", str(copy))
    changed = copy / "src/inference_endpoint/main.py"
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    found = proven_checkout(copy, client_proof.revision)
    assert found.changed == ("src/inference_endpoint/main.py: changed",)
    assert found.tree == client_proof.tree
    assert ask(client_python, copy, tmp_path, ITS_COMMIT) == client_proof.revision[:7]
    archive.mkdir()
    git(copy, "archive", "--output", str(tmp_path / "client.tar"), "HEAD")
    subprocess.run(["tar", "-xf", "../client.tar"], cwd=archive, check=True)
    with pytest.raises(InputError, match="nothing proves an archive"):
        proven_checkout(archive, client_proof.revision)
    assert ask(client_python, archive, tmp_path, ITS_COMMIT) == "None"
    [pack] = (copy / ".git/objects/pack").glob("*.pack")
    pack.chmod(0o644)
    with pack.open("r+b") as stream:
        stream.seek(pack.stat().st_size // 2)
        stream.write(b"flipped")
    with pytest.raises(SetupError, match="its git repository is damaged"):
        proven_checkout(copy, client_proof.revision)


def test_the_rounds_datasets_are_those_that_the_client_looks_for(
    official_round: Round, client_proof: Proof, client_python: Path, tmp_path: Path
) -> None:
    code = "import sys; from inference_endpoint.dataset_manager import Dataset\n"
    code += "for name in sys.argv[1:]: d = Dataset.PREDEFINED[name]; print(d.REPO_ID, *d.DEFAULT_SPLITS)"
    wanted: dict[str, str] = {}
    for name in official_round.scenarios:
        round_ = round_of_scenario(official_round, name)
        drive = round_.scenarios[name].endpoints
        assert drive is not None
        assert round_.closed.dataset is not None
        wanted[drive.dataset.partition("::")[0]] = " ".join([round_.closed.dataset.repo, *round_.splits])
    found = ask(client_python, client_proof.folder, tmp_path, code, *wanted).splitlines()
    assert found == list(wanted.values())


def test_rows_of_the_demo_are_those_that_the_client_would_make(
    client_proof: Proof, client_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "round.yaml").write_text(
        "extends: v6.1-endpoints\nname: small\nsubmittable: false\nchecker_version: null\nsamples: 512\n"
    )
    client_proof.write(tmp_path / "client.json")
    weighbridge = [client_python, "-m", "weighbridge"]
    demo_dataset(tmp_path)
    made = ["client-data", "--round", "round.yaml", "--scenario", "offline", "--client", "client.json"]
    made += ["--dataset", "dataset.json", "--output", "client-data/dataset.json"]
    done = subprocess.run([*weighbridge, *made], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    proof = tmp_path / "client-data/dataset.json"
    rows = proven_rows(proof)
    assert rows.rows == 512
    home = tmp_path / "home"
    link_rows(rows, proof, home)
    files = " ".join(
        str(DEMO / f"dataset/data/{split}-00000-of-00001.parquet") for split in ("train", "test")
    )
    name = rows.preset.partition("::")[0]
    told = (name, files, str(home / "dataset_cache"), str(tmp_path / "theirs"))
    assert ask(client_python, client_proof.folder, home, AS_IT_WOULD, *told) == "512 equal"


def test_without_the_clients_packages_one_sentence_says_what_to_do(
    client_proof: Proof, tmp_path: Path
) -> None:
    round_ = load_round("v6.1-endpoints")
    dataset = Proof.read(demo_dataset(tmp_path))
    with pytest.raises(
        SetupError, match=r"made no rows of .* \(ModuleNotFoundError: .*make setup-endpoints-"
    ) as caught:
        make_rows(round_, "offline", client_proof, dataset, tmp_path / "rows.json")
    assert "\n" not in str(caught.value)
