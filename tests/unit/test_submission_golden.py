"""The texts of a tree, compared byte by byte. UPDATE_GOLDEN=1 rewrites them; review the difference."""

import os
from pathlib import Path

import pytest
from loadgen_files import small_round, write_results

from weighbridge.config.settings import SubmissionSettings
from weighbridge.submission import assemble

GOLDEN = Path(__file__).parent / "golden"
RESULTS = "closed/Me/results/box/qwen3-vl-235b-a22b"
TEXTS = {
    "offline-readme.md": f"{RESULTS}/Offline/README.md",
    "server-readme.md": f"{RESULTS}/Server/README.md",
    "measurements.json": f"{RESULTS}/Server/measurements.json",
    "accuracy.txt": f"{RESULTS}/Server/accuracy/accuracy.txt",
    "system.json": "closed/Me/systems/box.json",
    "source-readme.md": "closed/Me/src/qwen3-vl-235b-a22b/README.md",
    "calibration.md": "closed/Me/documentation/calibration.md",
    "demonstration.md": "closed/Me/DEMONSTRATION.md",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("golden")
    round_ = small_round(simulated=True)
    write_results(root, round_)
    (root / "project").mkdir()
    (root / "project" / "Snakefile").touch()
    assemble(
        results=root,
        destination=root / "submission",
        originals=root / "originals",
        round_=round_,
        settings=SubmissionSettings(submitter="Me", system="box"),
        source=root / "project",
    )
    return root / "submission"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_equals_its_reviewed_copy(tree: Path, name: str) -> None:
    text = (tree / TEXTS[name]).read_text()
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()
