"""Verifying a tree: every edit is told by its name, and what a tree lacks is not proven."""

import io
import json
import shlex
import shutil
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from attested_tree import RECORDS, RESULTS, Attested, failures, make_key, write_attested
from rich.console import Console
from tree_evidence import CLOSED, MODEL

from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.provenance.verification import Verification
from weighbridge.provenance.verification_table import render_verification

SERVER = "box Server"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Attested:
    """Return a signed tree; tests must not change it."""
    return write_attested(tmp_path_factory.mktemp("good"))


@pytest.fixture
def attested(good: Attested, tmp_path: Path) -> Attested:
    """Return a copy of the signed tree that a test may damage."""
    shutil.copytree(good.root, tmp_path / "copy")
    return Attested(tmp_path / "copy")


def test_a_good_tree_is_verified_as_archive_and_as_folder(good: Attested) -> None:
    for tree in (good.archive, good.tree):
        done = good.verify(tree=tree)
        assert not done.failed
        assert not done.unknown
        assert done.signed
        names = [check.name for check in done.checks]
        assert names[:7] == [
            "signature",
            "attestation",
            "archive",
            "files",
            "round",
            "what it was made from",
            "errors of the tree",
        ]
        assert f"{SERVER}: judged again" in names
        [note] = done.notes
        assert note.startswith("Not scored again here: box Offline, box Server.")


def test_with_the_originals_all_checks_of_the_gate_are_made_again(good: Attested) -> None:
    done = good.verify(originals=good.originals)
    assert not done.failed
    assert not done.unknown
    assert done.notes == []
    [judged] = [check for check in done.checks if check.name == f"{SERVER}: judged again"]
    passed, _, total = str(judged.value).removesuffix(" checks passed").partition(" of ")
    assert passed == total


def test_an_archive_alone_may_have_any_name_and_place(good: Attested, tmp_path: Path) -> None:
    copy = tmp_path / "downloaded.tgz"
    shutil.copy(good.archive, copy)
    assert not good.verify(tree=copy, attestation=good.attestation).failed


def test_without_a_key_the_signature_is_not_called_checked(attested: Attested) -> None:
    done = attested.verify(key=None)
    assert not done.failed
    assert not done.signed
    assert "NOT checked against a known key" in done.notes[0]
    attested.attest(signed=False)
    assert "is NOT signed" in attested.verify(key=None).notes[0]
    assert failures(attested.verify()) == {"signature": "none"}


def test_another_key_is_told(attested: Attested) -> None:
    make_key(attested.root, "other")
    done = attested.verify(key=attested.root / "other.pub")
    assert failures(done) == {"signature": "of another key, or broken"}
    assert not done.signed
    _statement(_another_archive)(attested)
    assert failures(attested.verify()).keys() == {"signature", "archive"}


def _statement(change: Callable[[Any], None]) -> Callable[[Attested], None]:
    """Edit the signed statement, as someone without the key can."""

    def edit(attested: Attested) -> None:
        envelope = json.loads(attested.attestation.read_text())
        statement = json.loads(b64decode(envelope["payload"]))
        change(statement)
        envelope["payload"] = b64encode(json.dumps(statement).encode()).decode()
        attested.attestation.write_text(json.dumps(envelope))

    return edit


def _dependency(name: str, **digest: str) -> Callable[[Any], None]:
    def change(statement: Any) -> None:
        made_from = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        [resource] = [each for each in made_from if each["name"] == name]
        resource["digest"] |= digest

    return change


def _outcome(statement: Any) -> None:
    statement["predicate"]["runDetails"]["byproducts"][0]["annotations"]["rate"] = 99.0


def _file_less(statement: Any) -> None:
    statement["subject"].pop()


def _another_archive(statement: Any) -> None:
    statement["subject"][0]["digest"]["sha256"] = "0" * 64


def _another_submitter(statement: Any) -> None:
    statement["predicate"]["buildDefinition"]["externalParameters"]["submitter"] = "You"


@pytest.mark.parametrize(
    ("change", "name", "found"),
    [
        (_another_archive, "archive", ""),
        (_file_less, "files", "differ: closed/Me/systems/box.json"),
        (_dependency("round", weighbridgeRound="0" * 64), "round", ""),
        (_dependency("model", weighbridgeManifest="0" * 64), "what it was made from", "differ: model"),
        (_dependency("requests", sha256="0" * 64), "what it was made from", "differ: requests"),
        (_dependency("code", gitCommit="1" * 40), "what it was made from", "differ: code"),
        (_outcome, "what it was made from", "differ: verdict on Offline of box"),
        (_another_submitter, "what it was made from", "differ: submitter"),
    ],
)
def test_an_edited_statement_is_told_even_without_the_key(
    change: Callable[[Any], None], name: str, found: str, attested: Attested
) -> None:
    _statement(change)(attested)
    told = failures(attested.verify(key=None))
    assert name in told
    assert told[name].startswith(found)


@pytest.mark.parametrize("name", ["../x.yaml", "small.yaml", "qwen3-vl-235b-a22b/x.yml", "/etc/x", "x", ""])
def test_a_path_in_a_stranger_s_statement_is_not_followed(name: str, attested: Attested) -> None:
    def change(statement: Any) -> None:
        statement["predicate"]["buildDefinition"]["externalParameters"]["round"] = name

    _statement(change)(attested)
    done = attested.verify(key=None, round_=None)
    [check] = [check for check in done.checks if check.name == "round"]
    assert check.passed is False
    assert check.remedy == "The statement names no round by its name."


def test_a_statement_cannot_write_to_the_terminal_or_into_a_command(attested: Attested) -> None:
    for change in (
        _dependency("code", gitCommit="1; rm -rf ~"),
        lambda statement: statement["subject"][0].update(name="\x1b[2J"),
    ):
        attested.attest()
        _statement(change)(attested)
        assert failures(attested.verify(key=None))["attestation"] == "another statement"
    [log] = attested.tree.glob(f"{RESULTS}/Server/user.conf")
    log.rename(log.with_name("\x1b[2J"))
    attested.pack()
    shown = _shown(attested.verify(key=None))
    assert "\\x1b[2J" in shown
    assert "\x1b" not in shown


def test_the_commands_that_measure_again_have_the_pins(attested: Attested) -> None:
    done = attested.verify()
    shown = _shown(done)
    assert f"git clone REPOSITORY weighbridge && cd weighbridge && git checkout {'0' * 40}\n" in shown
    pin = json.dumps({"repo": MODEL.repo, "revision": MODEL.revision})
    assert f"weighbridge fetch --kind model --artifact '{pin}' --into resources/model" in shown
    _statement(_repository("lab/'; rm -rf ~; '"))(attested)
    [command] = [line for line in _shown(attested.verify(key=None)).splitlines() if "--kind model" in line]
    words = shlex.split(command)
    assert words[:3] == ["weighbridge", "fetch", "--kind"]
    assert json.loads(words[5])["repo"] == "lab/'; rm -rf ~; '"


def _repository(name: str) -> Callable[[Any], None]:
    def change(statement: Any) -> None:
        made_from = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        made_from[0]["annotations"]["repository"] = name

    return change


def _shown(done: Verification) -> str:
    console = Console(file=io.StringIO(), width=300)
    console.print(render_verification(done), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _text(path: str, old: str, new: str) -> tuple[str, Callable[[bytes], bytes | None]]:
    def change(content: bytes) -> bytes:
        assert old.encode() in content
        return content.replace(old.encode(), new.encode(), 1)

    return path, change


def _fewer_rows(content: bytes) -> bytes:
    table = pq.read_table(io.BytesIO(content))
    out = io.BytesIO()
    pq.write_table(table.slice(1), out)
    return out.getvalue()


EDITS = [
    _text(f"{RESULTS}/Server/performance/run_1/mlperf_log_summary.txt", "VALID", "VALID "),
    _text(f"{RESULTS}/Server/accuracy/accuracy.txt", '"f1": 0.79', '"f1": 0.80'),
    _text(f"{RECORDS}/Server/verdict.json", '"rate": 19.5', '"rate": 29.5'),
    _text(f"{RECORDS}/Server/performance.json", '"completed": 1200', '"completed": 1199'),
    _text(f"{RECORDS}/Server/performance.json", '"failed": {}', '"failed": {"timeout": 1}'),
    _text(f"{RECORDS}/Server/score.json", '"value":0.79', '"value":0.8'),
    _text(f"{RECORDS}/Server/performance/sampled_answers.jsonl", "Boots", "Boats"),
    (f"{RECORDS}/Server/performance/requests.parquet", _fewer_rows),
    (f"{RECORDS}/Server/accuracy/errors.jsonl", lambda _: b'{"kind": "timeout", "sample": 1}\n'),
]


@pytest.mark.parametrize(("name", "change"), EDITS, ids=[name for name, _ in EDITS])
def test_each_edited_piece_of_evidence_is_named_and_shows_again_when_judged(
    name: str, change: Callable[[bytes], bytes | None], attested: Attested
) -> None:
    attested.edit(name, change)
    told = failures(attested.verify())
    assert told["files"] == f"differ: {name}"
    assert "archive" in told
    # Without any attestation, the tree's own evidence contradicts itself.
    attested.attestation.unlink()
    alone = failures(attested.verify(key=None))
    assert alone
    assert all(each.startswith((SERVER, "errors of the tree")) for each in alone)


def _consistent(attested: Attested, change: Callable[[bytes], bytes]) -> None:
    """Edit requests.parquet and the hash in the record too, as one who knows where it stands."""
    table = attested.tree / RECORDS / "Server" / "performance" / "requests.parquet"
    before = sha256_of(table)
    table.write_bytes(change(table.read_bytes()))
    record = attested.tree / RECORDS / "Server" / "performance.json"
    record.write_text(record.read_text().replace(before, sha256_of(table)))
    attested.pack()


def test_lost_requests_show_by_their_count_where_the_hashes_agree(attested: Attested) -> None:
    _consistent(attested, _fewer_rows)
    attested.attest(signed=False)
    told = failures(attested.verify(key=None))
    assert "requests recorded (performance)" in told[f"{SERVER}: judged again"]


@pytest.mark.parametrize("name", ["requests.parquet", "errors.jsonl", "sampled_answers.jsonl"])
def test_evidence_that_is_missing_is_not_proven(name: str, attested: Attested) -> None:
    attested.edit(f"{RECORDS}/Server/performance/{name}", lambda _: None)
    attested.attest()
    done = attested.verify()
    assert not done.failed
    missing = {check.name: check.value for check in done.unknown}
    assert missing[f"{SERVER}: evidence"] == f"{name} not carried"
    assert f"{SERVER}: judged again" in missing


def test_a_demonstration_of_an_earlier_release_is_not_proven(attested: Attested) -> None:
    """Its rounds ask for no evidence, so the gate leaves it out; verifying still says so."""
    for mode in ("performance", "accuracy"):
        record = attested.tree / RECORDS / "Server" / f"{mode}.json"
        values = json.loads(record.read_text())
        values["logs"] = {name: sha256 for name, sha256 in values["logs"].items() if "mlperf" in name}
        values["submittable"] = False
        record.write_text(json.dumps(values))
        shutil.rmtree(record.with_suffix(""))
    attested.pack()
    demonstration = CLOSED.model_copy(update={"submittable": False})
    done = attested.verify(round_=demonstration)
    unknown = {check.name: check.value for check in done.unknown}
    assert "requests.parquet recorded by no hash" in str(unknown[f"{SERVER}: evidence"])


def test_a_tree_of_another_harness_is_not_proven(attested: Attested) -> None:
    shutil.rmtree(attested.tree / RECORDS)
    attested.pack()
    attested.attestation.unlink()
    done = attested.verify(key=None)
    unknown = {check.name: check.limit for check in done.unknown}
    evidence = {f"box {scenario}: evidence" for scenario in ("Offline", "Server")}
    assert set(unknown) == {"attestation", "what it was made from", *evidence}
    assert {check.name for check in attested.verify(key=None, round_=None).unknown} == {
        "attestation",
        "round",
    }


def test_a_scenario_whose_records_were_left_out_is_not_proven_however_it_is_signed(
    attested: Attested,
) -> None:
    shutil.rmtree(attested.tree / RECORDS / "Server")
    attested.pack()
    attested.attest()
    done = attested.verify()
    assert {check.name for check in done.unknown} == {f"{SERVER}: evidence"}
    assert done.signed


def test_a_damaged_archive_is_told_by_its_hash(attested: Attested) -> None:
    content = attested.archive.read_bytes()
    attested.archive.write_bytes(content[: len(content) // 2])
    assert failures(attested.verify()).keys() == {"archive"}
    attested.attestation.unlink()
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        attested.verify(key=None)


def test_a_file_that_is_no_attestation_is_told(attested: Attested) -> None:
    attested.attestation.write_text(
        '{"payload": "e30=", "payloadType": "application/vnd.in-toto+json", "signatures": []}'
    )
    assert failures(attested.verify(key=None))["attestation"] == "another statement"
    attested.attestation.write_text("[]")
    assert failures(attested.verify(key=None))["attestation"] == "not readable"


def test_a_round_that_this_release_does_not_have_is_told(good: Attested) -> None:
    done = good.verify(round_=None)
    assert failures(done) == {"round": "qwen3-vl-235b-a22b/small"}
    [check] = done.failed
    assert "--round" in str(check.remedy)
    reason = "round small of x is not pinned by this release of Weighbridge"
    edited = CLOSED.model_copy(update={"submittable": False, "not_submittable_because": reason})
    assert {"round", "round of this release"} <= failures(good.verify(round_=edited)).keys()


def test_the_wrong_originals_or_dataset_are_the_user_s_error(good: Attested, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mlperf_log_accuracy\.json: no such log"):
        good.verify(originals=replace(good.originals, logs=tmp_path))
    [dataset] = good.originals.datasets
    other = dataset.model_copy(update={"manifest_digest": "0" * 64})
    with pytest.raises(InputError, match="is not the dataset of the Offline runs"):
        good.verify(originals=replace(good.originals, datasets=(other,)))
    # Of several proofs, that of the runs is taken.
    assert good.verify(originals=replace(good.originals, datasets=(other, dataset))).outcome == "VERIFIED"


def test_an_original_that_was_edited_fails(attested: Attested) -> None:
    [log] = attested.root.glob(f"originals/{RESULTS}/Server/accuracy/mlperf_log_accuracy.json")
    log.chmod(0o644)
    log.write_text(log.read_text().replace('"data" : "7B', '"data" : "7A', 1))
    told = failures(attested.verify(originals=attested.originals))
    assert list(told) == [f"{SERVER}: judged again"]
    assert "logs as LoadGen left them (accuracy)" in told[f"{SERVER}: judged again"]
