"""That the harness itself, with its own task of MMLU and its own API model, asks and finds the same."""

import os
import subprocess
from pathlib import Path

import pytest
from asking_mmlu import MODEL, MODEL_NAME, PYTHON, make_data
from simulating import answering_questions

from weighbridge.simulate.known_letters import LetterRates

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="needs .venv-quality: make setup-quality")

QUESTIONS = 5
COMPARISON = Path(__file__).parent / "harness_comparison.py"


def test_the_harness_s_own_task_and_model_ask_and_find_the_same(tmp_path: Path) -> None:
    data = make_data(tmp_path, QUESTIONS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with answering_questions(
        data.questions, LetterRates(rate=0.6), model=MODEL, model_name=MODEL_NAME
    ) as url:
        done = subprocess.run(
            [PYTHON, COMPARISON, data.questions, MODEL, url, MODEL_NAME, tmp_path],
            capture_output=True,
            text=True,
            check=False,
            env=environment | {"HOME": str(tmp_path / "home")},
        )
    assert done.returncode == 0, done.stderr
