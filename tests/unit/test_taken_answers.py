"""Which finished answers a measurement takes over, what becomes of others, and what their identity holds."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from quality_files import IDENTITY, MADE_UP, subject_answers, write_answers, write_quality

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry, Manifest
from weighbridge.artifacts.proof import Proof
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.quality_settings import AskingProtocol, MmluSettings
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.quality.quality_setup import QualitySetup, measured_settings
from weighbridge.quality.taken_answers import keep_measured, take_over
from weighbridge.records.quality_answers import ANSWERS_FOLDER, MEASURED, answers_file
from weighbridge.records.quality_scores import OVERALL, PASSED
from weighbridge.run.later_runs import folder_of

ROWS = dict.fromkeys(MADE_UP, (0, 1, 2))


def finished(out: Path, subjects: Sequence[str] = MADE_UP[:2], questions: int = 3) -> None:
    for subject in subjects:
        write_answers(out, subject_answers(subject, [True] * questions))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*")}


def test_answers_of_the_same_measurement_are_taken_over(tmp_path: Path) -> None:
    finished(tmp_path / "out")
    assert set(take_over(tmp_path / "out", tmp_path / "replaced", ROWS, IDENTITY)) == set(MADE_UP[:2])
    assert not (tmp_path / "replaced").exists()


def test_nothing_is_taken_from_an_empty_folder(tmp_path: Path) -> None:
    assert take_over(tmp_path / "out", tmp_path / "replaced", ROWS, IDENTITY) == {}


def test_answers_of_another_measurement_are_set_aside_with_their_scores(tmp_path: Path) -> None:
    out, replaced = tmp_path / "out", tmp_path / "replaced"
    write_quality(out, dict.fromkeys(MADE_UP, 0.5), questions=3)
    (out / OVERALL).write_text("{}")
    (out / PASSED).write_text("MMLU: VALID\n")  # else it would vouch for the next answers, should they fail
    (out / "progress.json").write_text("{}")
    assert take_over(out, replaced, ROWS, "f" * 64) == {}
    assert names(out) == {ANSWERS_FOLDER, "progress.json"}
    assert names(out / ANSWERS_FOLDER) == set()
    [aside] = replaced.iterdir()
    assert names(aside) == {*(f"{name}.json" for name in MADE_UP), MEASURED, OVERALL, PASSED}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text(path.read_text()[:-40]),  # cut off, as no write of ours leaves it
        lambda path: path.rename(path.with_name(f"{MADE_UP[3]}.json")),
        lambda path: write_answers(path.parents[1], subject_answers(MADE_UP[0], [True] * 2)),
    ],
    ids=["damaged", "of another subject", "of fewer questions"],
)
def test_a_file_that_does_not_hold_what_is_asked_is_set_aside(tmp_path: Path, spoil: Any) -> None:
    finished(tmp_path / "out")
    spoil(answers_file(tmp_path / "out", MADE_UP[0]))
    assert set(take_over(tmp_path / "out", tmp_path / "replaced", ROWS, IDENTITY)) == {MADE_UP[1]}
    assert names(tmp_path / "out" / ANSWERS_FOLDER) == {f"{MADE_UP[1]}.json"}


def test_without_a_folder_for_replaced_results_other_answers_are_deleted(tmp_path: Path) -> None:
    write_quality(tmp_path, dict.fromkeys(MADE_UP, 0.5), questions=3)
    take_over(tmp_path, None, ROWS, "f" * 64)
    assert names(tmp_path) == {ANSWERS_FOLDER}
    assert names(tmp_path / ANSWERS_FOLDER) == set()


def test_a_finished_measurement_survives_its_deletion(tmp_path: Path) -> None:
    out, replaced = tmp_path / "quality" / "mmlu", tmp_path / "replaced"
    write_quality(out, dict.fromkeys(MADE_UP, 0.5), questions=3)
    keep_measured(out, replaced)
    (out / MEASURED).unlink()  # as Snakemake does before the job
    take_over(out, replaced, ROWS, "f" * 64)
    [aside] = [folder for folder in replaced.iterdir() if folder.name != ".current"]
    assert MEASURED in names(aside)


def test_a_finished_measurement_that_is_made_again_takes_nothing_over(tmp_path: Path) -> None:
    out, replaced = tmp_path / "quality" / "mmlu", tmp_path / "replaced"
    rows = dict.fromkeys(MADE_UP, (0, 1, 2))
    write_quality(out, dict.fromkeys(MADE_UP, 0.5), questions=3)
    keep_measured(out, replaced)
    assert set(take_over(out, replaced, rows, IDENTITY)) == set(MADE_UP)
    (out / MEASURED).unlink()  # as Snakemake does before the job
    assert take_over(out, replaced, rows, IDENTITY) == {}
    assert names(out / ANSWERS_FOLDER) == set()
    finished(out, MADE_UP[:1])
    assert set(take_over(out, replaced, rows, IDENTITY)) == {MADE_UP[0]}, "killed while it was made again"


def test_the_folder_of_a_measurement_is_that_of_its_record() -> None:
    assert folder_of(Path("results/quality/mmlu") / MEASURED) == Path("results/quality/mmlu")


def proof(kind: ArtifactKind, *files: str) -> Proof:
    entries = tuple(FileEntry(path=path, size=1, sha256=f"{len(path):064x}") for path in sorted(files))
    digest = Manifest(files=entries).digest
    return Proof(
        kind=kind, folder=Path("/x"), repo=None, revision=None, manifest_digest=digest, files=entries
    )


SETUP = QualitySetup(
    mmlu=MmluSettings(),
    server=ServerSettings(model_name="tiny"),
    client=ClientSettings(),
    dataset=proof(ArtifactKind.DATASET, "all/dev-1.parquet", "all/test-1.parquet"),
    model=proof(ArtifactKind.MODEL, "model.safetensors", "tokenizer.json", "vocab.json"),
    settings="{}",
)
ATTACHED = replace(SETUP, server=ServerSettings(model_name="tiny", endpoints=("http://127.0.0.1:8000",)))


def test_the_identity_changes_with_all_that_answers_depend_on() -> None:
    others = (
        replace(SETUP, settings='{"settings":{"mmlu":{"shots":0}}}'),
        replace(SETUP, dataset=proof(ArtifactKind.DATASET, "all/dev-2.parquet")),
        replace(SETUP, model=proof(ArtifactKind.MODEL, "other.safetensors", "tokenizer.json", "vocab.json")),
        replace(SETUP, mmlu=MmluSettings(protocol=AskingProtocol.CHAT)),
        ATTACHED,
    )
    found = [each.identity("vLLM", "0.12.0") for each in (SETUP, *others)]
    found += [SETUP.identity("vLLM", "0.12.1"), SETUP.identity("SGLang", "0.12.0")]
    assert len(set(found)) == len(found)
    assert replace(SETUP, client=ClientSettings(api_key_env="KEY")).identity("vLLM", "0.12.0") == found[0]


def test_nobody_has_proven_the_model_of_an_endpoint_but_its_tokenizer_is_known() -> None:
    assert ATTACHED.model_digest is None
    assert ATTACHED.tokenizer_digest == SETUP.tokenizer_digest is not None
    same = replace(SETUP, model=proof(ArtifactKind.MODEL, "x", "tokenizer.json", "vocab.json"))
    assert same.tokenizer_digest == SETUP.tokenizer_digest
    other = replace(SETUP, model=proof(ArtifactKind.MODEL, "model.safetensors", "tokenizer.json"))
    assert other.tokenizer_digest != SETUP.tokenizer_digest


def test_a_model_is_needed_to_start_a_server_and_for_log_likelihoods() -> None:
    with pytest.raises(InputError, match="a server that is started needs a model: pass --model"):
        replace(SETUP, model=None).check(starting=True)
    with pytest.raises(InputError, match="needs the model's tokenizer: pass --model"):
        replace(ATTACHED, model=None).check(starting=True)
    replace(ATTACHED, model=None, mmlu=MmluSettings(protocol=AskingProtocol.CHAT)).check(starting=True)


def test_operational_options_are_no_part_of_the_measured_settings() -> None:
    settings = json.dumps({"mmlu": {"shots": 3}})
    plain = measured_settings(settings, server=None, mmlu=None)
    assert measured_settings(settings, server='{"port": 8000}', mmlu='{"retries": 9, "floor": 0.5}') == plain
    assert measured_settings(settings, mmlu='{"shots": 4}') != plain
    assert measured_settings(settings, server='{"endpoints": ["http://h"]}') != plain
    with pytest.raises(InputError, match="--mmlu"):
        measured_settings(settings, mmlu="{")
