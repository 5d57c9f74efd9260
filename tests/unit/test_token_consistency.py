"""TEST06 on integers: each defect of logged tokens is told, also those that the official script passes."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_proof import reference_proof

from weighbridge.artifacts.eos_ids import eos_ids_of
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.verify import describe
from weighbridge.benchmarks.rounds import load_round
from weighbridge.core.errors import InputError
from weighbridge.gates.token_consistency import consistency_checks, verification_faults, wrong_end
from weighbridge.loadgen.compliance_run import ComplianceRun
from weighbridge.loadgen.logged_tokens import TOKEN_TYPE, LoggedTokens, read_logged_tokens
from weighbridge.records.verdict import outcome_of
from weighbridge.submission.compliance_script import write_verification

ROUND = load_round("llama3.1-8b/v6.0@datacenter")
SERVER, OFFLINE = ROUND.scenario("server"), ROUND.scenario("offline")
EOS = (128001, 128008, 128009)
REFERENCE = os.environ.get("WEIGHBRIDGE_REFERENCE", "")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="needs mlcommons/inference: WEIGHBRIDGE_REFERENCE=DIR"
)


def hexadecimal(ids: Sequence[int]) -> str:
    return b"".join(each.to_bytes(4, "little") for each in ids).hex().upper()


def entry(number: int, ids: Sequence[int], **changes: Any) -> dict[str, Any]:
    """Return a good entry of LoadGen's log, with changes."""
    return {
        "seq_id": number,
        "qsl_idx": 3 * number,
        "data": hexadecimal(ids),
        "token_data": hexadecimal(ids[:1]),
        "token_count": len(ids),
        **changes,
    }


def write_log(folder: Path, entries: Sequence[dict[str, Any]]) -> Path:
    path = folder / "mlperf_log_accuracy.json"
    path.write_text(json.dumps(entries))
    return path


def good(count: int = 100) -> list[dict[str, Any]]:
    return [entry(number, [7, 8, number, EOS[number % 3]]) for number in range(count)]


def failed(path: Path, scenario: Any = SERVER, eos: Any = EOS) -> dict[str, Any]:
    """Return the values of the checks that did not pass; each has a remedy."""
    checks = [each for each in consistency_checks("TEST06", path, 100, eos, scenario) if not each.passed]
    assert all(check.remedy and check.run == "TEST06" for check in checks)
    return {check.name: check.value for check in checks}


def test_a_good_run_passes_with_first_tokens_or_without_them_offline(tmp_path: Path) -> None:
    assert failed(write_log(tmp_path, good())) == {}
    # An answer that was cut off at its limit has no end, and the first chunk may have several tokens.
    cut = [*good(99), entry(99, [5] * 128, token_data=hexadecimal([5] * 3))]
    assert failed(write_log(tmp_path, cut)) == {}
    whole = [{name: value for name, value in each.items() if name != "token_data"} for each in good()]
    path = write_log(tmp_path, whole)
    assert failed(path, OFFLINE) == {}
    assert failed(path) == {"answers that differ from their first tokens": 100}


FIRST, END = "answers that differ from their first tokens", "answers with more than one end"
LENGTH = "answers of another length than reported"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (entry(0, [7, 8, 9, EOS[2]], token_data=hexadecimal([8])), {FIRST: 1}),
        (entry(0, [7, 8, 9, EOS[2]], token_data=""), {FIRST: 1}),  # which the script's zip passes
        (entry(0, [7, 8], token_data=hexadecimal([7, 8, 9])), {FIRST: 1}),
        (entry(0, [7, 8, EOS[2], EOS[2]]), {END: 1}),
        (entry(0, [7, 8, EOS[0], EOS[1]]), {END: 1}),
        (entry(0, [EOS[2], EOS[2]]), {END: 1}),  # the script's loop never looks at the first token
        (entry(0, [], token_data=""), {FIRST: 1, END: 1}),
        (entry(0, [7, 8, 9], token_count=4), {LENGTH: 1}),
        (entry(1, [7, 8, 9]), {"queries logged": 99}),
    ],
)
def test_one_defect_of_one_answer_is_told(
    changed: dict[str, Any], told: dict[str, Any], tmp_path: Path
) -> None:
    assert failed(write_log(tmp_path, [changed, *good()[1:]])) == told


def test_too_few_answers_and_unknown_ends_are_told(tmp_path: Path) -> None:
    assert failed(write_log(tmp_path, good(99))) == {"answers logged": 99}
    path = write_log(tmp_path, good())
    assert failed(path, eos="Pass the model's proof.") == {END: None}
    assert outcome_of(consistency_checks("TEST06", path, 100, "unknown", SERVER)) == "UNPROVEN"


@pytest.mark.parametrize("text", ["", "[", "{}", '[{"qsl_idx": 1}]', "\xff"])
def test_a_damaged_log_fails_and_a_missing_one_is_unknown(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mlperf_log_accuracy.json"
    assert outcome_of(consistency_checks("TEST06", path, 100, EOS, SERVER)) == "UNPROVEN"
    path.write_bytes(text.encode("latin-1"))
    assert failed(path) == {"answers logged": "not readable"}


@pytest.mark.parametrize("data", ["07", "0700000008", "xy000000"])
def test_an_answer_that_is_no_list_of_ids_is_refused(data: str, tmp_path: Path) -> None:
    path = write_log(tmp_path, [entry(0, [1], data=data)])
    with pytest.raises(InputError, match="sample 0 is no list of ids of 4 bytes each"):
        read_logged_tokens(path)


def test_ids_of_64_bits_are_read_in_logs_of_others_alone(tmp_path: Path) -> None:
    entries = good()
    for each in entries:
        ids = np.frombuffer(bytes.fromhex(each["data"]), TOKEN_TYPE).astype("<i8")
        each |= {"data": ids.tobytes().hex(), "token_data": ids[:1].tobytes().hex()}
    path = write_log(tmp_path, entries)
    assert failed(path)["answers of another length than reported"] == 100
    checks = consistency_checks("TEST06", path, 100, EOS, SERVER, foreign=True)
    assert outcome_of(checks) == "VALID"
    entries[5] |= {"token_count": 3}
    checks = consistency_checks("TEST06", write_log(tmp_path, entries), 100, EOS, SERVER, foreign=True)
    assert outcome_of(checks) == "INVALID"


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.sets(st.integers(0, 5), max_size=3))
def test_ends_are_counted_as_a_person_would(ids: list[int], eos: set[int]) -> None:
    trailing = 0
    while trailing < len(ids) and ids[-1 - trailing] in eos:
        trailing += 1
    array = np.array(ids, dtype=TOKEN_TYPE)
    answer = LoggedTokens(query=0, sample=0, ids=array, first=array[:1], count=len(ids))
    assert wrong_end([answer], eos) == int(trailing > 1)


def model_in(folder: Path, **files: Any) -> Proof:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    manifest = describe(folder)
    return Proof(
        kind=ArtifactKind.MODEL,
        folder=folder,
        repo=None,
        revision=None,
        manifest_digest=manifest.digest,
        files=manifest.files,
    )


def test_the_ends_are_those_of_the_models_own_files(tmp_path: Path) -> None:
    both = model_in(
        tmp_path / "both", config={"eos_token_id": 2}, generation_config={"eos_token_id": list(EOS)}
    )
    assert eos_ids_of(both) == EOS
    assert eos_ids_of(model_in(tmp_path / "one", config={"eos_token_id": 2}, generation_config={})) == (2,)
    assert eos_ids_of(model_in(tmp_path / "none", config={})) == ()
    assert eos_ids_of(model_in(tmp_path / "without")) == ()
    for place, wrong in enumerate(("2", [2.5], [True], -1, {"a": 1})):
        with pytest.raises(InputError, match="neither a token's id nor a list of such"):
            eos_ids_of(model_in(tmp_path / f"wrong-{place}", config={"eos_token_id": wrong}))
    (both.folder / "generation_config.json").write_text('{"eos_token_id": 3}')
    with pytest.raises(InputError, match="changed since its proof was written"):
        eos_ids_of(both)


@pytest.mark.parametrize("scenario", [SERVER, OFFLINE], ids=["server", "offline"])
def test_our_text_of_a_good_run_passes_as_the_official_checker_reads_it(
    scenario: Any, tmp_path: Path
) -> None:
    write_log(tmp_path, good())
    model = model_in(tmp_path / "model", generation_config={"eos_token_id": list(EOS)})
    text = write_verification(tmp_path, scenario, "TEST06", model=model, reference=None)
    assert (tmp_path / "verify_accuracy.txt").read_text() == text
    assert verification_faults(text, scenario) == []
    write_log(tmp_path, [entry(0, [7, EOS[0], EOS[1]], token_count=9), *good()[1:]])
    text = write_verification(tmp_path, scenario, "TEST06", model=model, reference=None)
    assert verification_faults(text, scenario) == [
        "no line 'EOS check pass: True'",
        "no line 'Sample length check pass: True'",
        "no line 'TEST06 verification complete'",
    ]


@needs_reference
@pytest.mark.parametrize("scenario", [SERVER, OFFLINE], ids=["server", "offline"])
def test_the_official_script_writes_the_same_text(scenario: Any, tmp_path: Path) -> None:
    model = model_in(tmp_path / "model", generation_config={"eos_token_id": 2})
    for entries in (
        good(),
        [entry(0, [7, 2, 2]), *good()[1:]],
        [entry(0, [7, 8, 9], token_count=4), *good()[1:]],
        [entry(0, [7, 8, 9], token_data=hexadecimal([9])), *good()[1:]],
    ):
        write_log(tmp_path, entries)
        texts = [
            write_verification(tmp_path, scenario, "TEST06", model=model, reference=each)
            for each in (None, reference_proof(REFERENCE))
        ]
        assert texts[0] == texts[1]
    assert not list(Path(REFERENCE).rglob("__pycache__"))


@needs_reference
def test_the_official_audit_config_is_the_one_that_the_rounds_pin() -> None:
    text = (Path(REFERENCE) / "compliance" / "TEST06" / "audit.config").read_text()
    for name in ("v6.0", "v6.1"):
        round_ = load_round(f"llama3.1-8b/{name}@datacenter")
        for scenario in round_.scenarios:
            assert ComplianceRun.of(round_, scenario, "TEST06", Path(REFERENCE)).audit == text
