"""Fetching from a hub and from MLCommons' storage: resumed, verified and repaired, over real HTTP."""

import hashlib
import logging
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, REPO, TREE, URI, Fault, Hub, serving
from huggingface_hub import constants, snapshot_download
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.artifacts import download
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry, Manifest, write_lock
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.resolve import resolve
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError

HUB = Artifact(repo=REPO, revision=COMMIT)
STORAGE = Artifact(source="mlcommons", uri=URI)
TOKENS = ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN")
hub_alone = pytest.mark.parametrize("hub", ["hub"], indirect=True)
CLI = [sys.executable, "-c", "from weighbridge.cli import main; main()"]


def made_files() -> dict[str, bytes]:
    noise = random.Random(7)
    return {
        "config.json": b'{"small": true}',
        "README.md": b"",
        "model-1.safetensors": noise.randbytes(3_000_000),
        "model-2.safetensors": noise.randbytes(1_500_000),
        "sub/päth with blank.bin": noise.randbytes(5000),
    }


@pytest.fixture(params=["hub", "storage"])
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Hub]:
    with serving(Hub(made_files(), storage=request.param == "storage")) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("MLCOMMONS_ENDPOINT", hub.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name in (*TOKENS, "MLCOMMONS_ACCESS_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(download, "_PAUSES_S", (0.01,) * 6)
        yield hub


def lock_of(hub: Hub) -> Manifest:
    return Manifest(
        files=tuple(
            FileEntry(path=path, size=len(content), sha256=hashlib.sha256(content).hexdigest())
            for path, content in hub.files.items()
        )
    )


def pin_of(hub: Hub) -> Artifact:
    return STORAGE if hub.storage else HUB


def fetch(tmp_path: Path, artifact: Artifact, kind: ArtifactKind = ArtifactKind.MODEL) -> Proof:
    return resolve(artifact, kind, tmp_path / "model", tmp_path / "model.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


def command(tmp_path: Path, hub: Hub) -> list[str]:
    paths = ["--into", str(tmp_path / "model"), "--proof", str(tmp_path / "model.json")]
    return [*CLI, "fetch", "--kind", "model", "--artifact", pin_of(hub).model_dump_json(), *paths]


def part_of(tmp_path: Path, name: str) -> Path:
    (part,) = (tmp_path / "model" / ".cache" / "weighbridge" / "parts").glob(f"{name}.*")
    return part


def test_all_files_arrive_and_are_proven(tmp_path: Path, hub: Hub) -> None:
    proof = fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert proof.manifest_digest == lock_of(hub).digest
    pin = pin_of(hub)
    stated = (proof.repo, proof.revision, proof.uri, proof.folder)
    assert stated == (pin.repo, pin.revision, pin.uri, tmp_path / "model")
    assert Proof.read(tmp_path / "model.json") == proof


def without_weights(tmp_path: Path, artifact: Artifact) -> Proof:
    into, proof = tmp_path / "model", tmp_path / "model.json"
    return resolve(artifact, ArtifactKind.MODEL, into, proof, without_weights=True)


def test_without_weights_only_the_configuration_arrives_and_the_rest_comes_later(
    tmp_path: Path, hub: Hub
) -> None:
    part = without_weights(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == {"config.json": hub.files["config.json"]}
    assert part.without_weights
    assert Proof.read(tmp_path / "model.json") == part
    with pytest.raises(InputError, match=r"needs its weights; set artifacts\.model\.weights to true"):
        part.folder_with_weights()
    whole = fetch(tmp_path, pin_of(hub))
    assert (whole.manifest_digest, whole.without_weights) == (lock_of(hub).digest, False)
    # What is here is neither fetched again nor moved away when endpoints serve the model again.
    assert without_weights(tmp_path, pin_of(hub)) == part
    assert contents(tmp_path / "model") == hub.files


def test_without_weights_a_lock_of_the_whole_or_of_the_part_will_do(tmp_path: Path, hub: Hub) -> None:
    lock = tmp_path / "lock.json"
    for locked in (lock_of(hub), lock_of(hub).only(["config.json"])):
        write_lock(lock, locked)
        fetched = without_weights(tmp_path, pin_of(hub).model_copy(update={"manifest": lock}))
        given = Artifact(path=tmp_path / "model", manifest=lock)
        assert [entry.path for entry in fetched.files] == ["config.json"]
        assert without_weights(tmp_path, given).manifest_digest == fetched.manifest_digest
    (tmp_path / "model" / "config.json").write_bytes(b"{}")
    with pytest.raises(SetupError, match=r"is not as locked: config\.json"):
        without_weights(tmp_path, given)


def test_a_second_fetch_asks_for_no_file(tmp_path: Path, hub: Hub) -> None:
    first = fetch(tmp_path, pin_of(hub))
    hub.seen.clear()
    assert fetch(tmp_path, pin_of(hub)) == first
    assert [seen.path for seen in hub.seen] == [TREE]


@hub_alone
def test_a_dataset_is_asked_for_as_one(tmp_path: Path, hub: Hub) -> None:
    hub.files = {"data/train-00000-of-00001.parquet": b"x" * 2000}
    assert [entry.path for entry in fetch(tmp_path, pin_of(hub), kind=ArtifactKind.DATASET).files] == list(
        hub.files
    )


def test_a_fulfilled_lock_needs_no_hub(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lock(tmp_path / "lock.json", lock_of(hub))
    locked = pin_of(hub).model_copy(update={"manifest": tmp_path / "lock.json"})
    first = fetch(tmp_path, locked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.seen.clear()
    (tmp_path / "model" / "notes.txt").write_text("not part of it")
    assert fetch(tmp_path, locked) == first
    assert contents(tmp_path / "model") == hub.files
    assert not hub.seen


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"sha256": "0" * 64},
            r"model-1\.safetensors: expected 3000000 bytes of sha256 0{64}, found 3000000",
        ),
        ({"size": 7}, r"model-1\.safetensors: expected 7 bytes"),
        ({"path": "other.safetensors"}, r"model-1\.safetensors: expected no such file"),
    ],
)
def test_a_hub_that_differs_from_the_lock_is_found_before_downloading(
    tmp_path: Path, hub: Hub, change: dict[str, object], says: str
) -> None:
    changed = [
        entry.model_copy(update=change) if entry.path == "model-1.safetensors" else entry
        for entry in lock_of(hub).files
    ]
    write_lock(tmp_path / "lock.json", Manifest(files=tuple(changed)))
    late = hub.storage and "sha256" in change  # the storage lists no sha256, so the content must show it
    with pytest.raises(SetupError, match="wrong content after 2 fetches: model-1" if late else says):
        fetch(tmp_path, pin_of(hub).model_copy(update={"manifest": tmp_path / "lock.json"}))
    assert late or {seen.path for seen in hub.seen} == {TREE}


def test_a_small_file_is_proven_by_the_lock_where_the_hub_lists_no_sha256(tmp_path: Path, hub: Hub) -> None:
    write_lock(tmp_path / "lock.json", lock_of(hub))
    hub.always["config.json"] = Fault(flip=True)
    with pytest.raises(SetupError, match=r"config\.json: expected sha256 .* found"):
        fetch(tmp_path, pin_of(hub).model_copy(update={"manifest": tmp_path / "lock.json"}))


@pytest.mark.parametrize("name", ["model-1.safetensors", "config.json"], ids=["LFS", "blob"])
def test_a_flipped_byte_is_fetched_again_and_nothing_else_is(tmp_path: Path, hub: Hub, name: str) -> None:
    hub.next[name].append(Fault(flip=True))
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert {path: hub.count(path) for path in hub.files if hub.count(path) != 1} == {name: 2, "README.md": 0}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("model-1.safetensors", "sha256 [0-9a-f]{64}"), ("config.json", "git blob [0-9a-f]{40}")],
)
def test_content_wrong_twice_is_an_error_and_the_rest_is_kept(
    tmp_path: Path, hub: Hub, name: str, expected: str
) -> None:
    hub.always[name] = Fault(flip=True)
    expected = "md5 [0-9a-f]{32}" if hub.storage else expected
    with pytest.raises(
        SetupError, match=f"wrong content after 2 fetches: {name}: expected {expected}, found"
    ):
        fetch(tmp_path, pin_of(hub))
    assert hub.count(name) == 2
    assert not (tmp_path / "model.json").exists()
    good = {path: content for path, content in hub.files.items() if path != name}
    assert good.items() <= contents(tmp_path / "model").items()


def test_a_file_cut_short_by_the_hub_is_fetched_whole(tmp_path: Path, hub: Hub) -> None:
    hub.next["model-1.safetensors"].append(Fault(shorten_to=1_000_000))
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files


def test_a_file_that_stays_short_is_an_error(tmp_path: Path, hub: Hub) -> None:
    hub.always["model-1.safetensors"] = Fault(shorten_to=1_000_000)
    with pytest.raises(
        SetupError,
        match=r"model-1\.safetensors: expected 3000000 bytes, (the hub|MLCommons' storage) sends 1000000",
    ):
        fetch(tmp_path, pin_of(hub))


def test_a_cut_connection_is_continued_where_it_ended(tmp_path: Path, hub: Hub) -> None:
    name = "model-1.safetensors"
    hub.next[name] += [Fault(cut_after=1_000_000), Fault(cut_after=500_000)]
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    ranges = [seen.range for seen in hub.seen if seen.path == name and seen.server == hub.sender]
    assert ranges == [None, "bytes=1000000-", "bytes=1500000-"]
    assert hub.bytes_sent[name] == 3_000_000


def test_a_hub_that_ignores_ranges_sends_the_whole_again(tmp_path: Path, hub: Hub) -> None:
    hub.next["model-1.safetensors"] += [Fault(cut_after=1_000_000), Fault(ignore_range=True)]
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files


def test_a_silent_connection_is_given_up_and_continued(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    hub.next["model-1.safetensors"].append(Fault(stall_after=65_536, stall_s=1.5))
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert hub.count("model-1.safetensors") == 2


def test_a_trickle_is_waited_for(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.5)
    name = "model-2.safetensors"
    hub.next[name].append(Fault(trickle_bytes=15_000))
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert hub.count(name) == 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.builds(Fault, cut_after=st.integers(0, 3_000_000)),
            st.builds(Fault, status=st.sampled_from([408, 429, 500, 502, 503, 504])),
            st.builds(Fault, shorten_to=st.integers(0, 2_999_999)),
            st.builds(Fault, ignore_range=st.just(True), cut_after=st.integers(0, 3_000_000)),
            st.just(Fault(flip=True)),
        ),
        max_size=4,
    )
)
def test_any_row_of_failures_ends_in_the_right_bytes_or_in_an_error(
    tmp_path_factory: pytest.TempPathFactory, hub: Hub, faults: list[Fault]
) -> None:
    tmp_path = tmp_path_factory.mktemp("any")
    hub.next["model-1.safetensors"].clear()
    hub.next["model-1.safetensors"].extend(faults)
    try:
        fetch(tmp_path, pin_of(hub))
    except SetupError:
        assert sum(fault.flip for fault in faults) >= 2
        assert not (tmp_path / "model.json").exists()
    else:
        assert contents(tmp_path / "model") == hub.files


def test_the_wait_that_the_hub_asks_for_is_kept(
    tmp_path: Path, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.next["config.json"].append(Fault(status=429, headers={"Retry-After": "1"}))
    with caplog.at_level(logging.WARNING):
        fetch(tmp_path, pin_of(hub))
    source = "MLCommons' storage" if hub.storage else "the hub"
    assert f"config.json: {source} answers 429; trying again in 1 s" in caplog.text


def test_three_hundred_files_come_in_parallel_and_over_pages(tmp_path: Path, hub: Hub) -> None:
    hub.files = {f"data/{number:03}.parquet": b"%d" % number * 200 for number in range(300)}
    for name in hub.files:
        hub.next[name].append(Fault(trickle_bytes=100))
    fetch(tmp_path, pin_of(hub), kind=ArtifactKind.DATASET)
    assert contents(tmp_path / "model") == hub.files
    assert hub.count(TREE) == (1 if hub.storage else 4)
    assert hub.most_at_once >= 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[:-1]),
        lambda file: file.write_bytes(b"\0" + file.read_bytes()[1:]),
        lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    ],
    ids=["missing", "short", "changed", "longer"],
)
def test_later_damage_is_repaired_by_fetching_that_file_again(tmp_path: Path, hub: Hub, damage) -> None:
    fetch(tmp_path, pin_of(hub))
    damage(tmp_path / "model" / "model-2.safetensors")
    hub.seen.clear()
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert {seen.path for seen in hub.seen} == {TREE, "model-2.safetensors"}


def test_a_file_that_does_not_belong_is_set_aside_and_not_lost(tmp_path: Path, hub: Hub) -> None:
    fetch(tmp_path, pin_of(hub))
    (tmp_path / "model" / "notes").mkdir()
    (tmp_path / "model" / "notes" / "mine.txt").write_text("keep")
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert (tmp_path / "model/.cache/weighbridge/set-aside/notes/mine.txt").read_text() == "keep"


def test_too_small_a_disk_is_found_before_downloading(tmp_path: Path, hub: Hub) -> None:
    hub.pretended_sizes["model-1.safetensors"] = 10**15
    with pytest.raises(SetupError, match=r"needs 1000\.0 TB more and .* are free"):
        fetch(tmp_path, pin_of(hub))
    assert {seen.path for seen in hub.seen} == {TREE}


def test_a_full_disk_keeps_the_part_and_the_next_run_continues(tmp_path: Path, hub: Hub) -> None:
    limit = 2_000_000  # bytes that one file may have; the write beyond fails as on a full disk

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        command(tmp_path, hub), preexec_fn=limited, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "no room to write" in done.stderr.splitlines()[-1]
    assert "GB free" in done.stderr.splitlines()[-1]
    assert part_of(tmp_path, "model-1.safetensors").stat().st_size == limit
    assert not (tmp_path / "model.json").exists()

    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert [
        seen.range for seen in hub.seen if seen.server == hub.sender and seen.path == "model-1.safetensors"
    ] == [
        None,
        f"bytes={limit}-",
    ]


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_fetch_continues_where_it_was(tmp_path: Path, hub: Hub, kind: signal.Signals) -> None:
    name = "model-1.safetensors"
    hub.next[name].append(Fault(trickle_bytes=10_000))
    with subprocess.Popen(command(tmp_path, hub), stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: hub.bytes_sent[name] > 1_200_000)
        process.send_signal(kind)
        process.communicate(timeout=20)
        assert process.returncode != 0
    had = part_of(tmp_path, name).stat().st_size
    assert had >= 1_000_000
    assert not (tmp_path / "model.json").exists()
    others = set(contents(tmp_path / "model"))
    hub.seen.clear()
    fetch(tmp_path, pin_of(hub))
    assert contents(tmp_path / "model") == hub.files
    assert [seen.range for seen in hub.seen if seen.server == hub.sender and seen.path == name] == [
        f"bytes={had}-"
    ]
    assert not others & {seen.path for seen in hub.seen}


def test_two_fetches_into_one_folder_share_the_work(tmp_path: Path, hub: Hub) -> None:
    for name in hub.files:
        hub.next[name].append(Fault(trickle_bytes=50_000))
    processes = [subprocess.Popen(command(tmp_path, hub), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert contents(tmp_path / "model") == hub.files
    assert {path: hub.count(path) for path in hub.files if hub.count(path) != 1} == {"README.md": 0}


@hub_alone
@pytest.mark.parametrize("set_too", [("HF_TOKEN",), ("HUGGINGFACE_HUB_TOKEN",), TOKENS])
def test_the_token_goes_to_the_hub_and_to_nobody_else(
    tmp_path: Path,
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    set_too: tuple[str, ...],
) -> None:
    for name, token in zip(set_too, ("hf_secret", "hf_other"), strict=False):
        monkeypatch.setenv(name, token)
    hub.needs_token = "hf_secret"
    hub.next["model-1.safetensors"].append(Fault(cut_after=10))
    with caplog.at_level(logging.DEBUG, logger="weighbridge"):
        fetch(tmp_path, pin_of(hub))
    assert {seen.token for seen in hub.seen if seen.server == "hub"} == {"Bearer hf_secret"}
    assert {seen.token for seen in hub.seen if seen.server == hub.sender} == {None}
    assert "hf_secret" not in caplog.text
    assert not any(b"hf_secret" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize("hub", ["storage"], indirect=True)
def test_the_token_of_the_storage_is_sent_there_and_kept_nowhere(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLCOMMONS_ACCESS_TOKEN", "secret-of-access")
    hub.needs_token = "secret-of-access"
    hub.next["model-1.safetensors"].append(Fault(cut_after=10))
    with caplog.at_level(logging.DEBUG, logger="weighbridge"):
        fetch(tmp_path, STORAGE)
    assert {seen.token for seen in hub.seen} == {"secret-of-access"}
    assert "secret-of-access" not in caplog.text
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(b"secret-of-access" in file.read_bytes() for file in written)


@pytest.mark.parametrize("hub", ["storage"], indirect=True)
def test_a_uri_may_name_its_only_file(tmp_path: Path, hub: Hub) -> None:
    hub.files = {"list.json": b"[" + b" " * 5000 + b"]"}
    hub.names_folder += "/list.json"
    proof = fetch(tmp_path, STORAGE, ArtifactKind.DATASET)
    assert contents(tmp_path / "model") == hub.files
    assert [entry.path for entry in proof.files] == ["list.json"]


@hub_alone
def test_a_token_in_a_file_is_not_used(tmp_path: Path, hub: Hub) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text("hf_forgotten")
    environment = os.environ | {"HF_HOME": str(tmp_path / "home")}
    subprocess.run(command(tmp_path, hub), env=environment, check=True, capture_output=True)
    assert {seen.token for seen in hub.seen} == {None}


def test_progress_is_lines_in_a_log(tmp_path: Path, hub: Hub) -> None:
    done = subprocess.run(command(tmp_path, hub), check=True, capture_output=True, text=True)
    assert "fetching model: 4.5 MB of 4.5 MB" in done.stderr
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr
    assert "5 files proven" in done.stdout


def test_progress_is_a_bar_on_a_terminal(tmp_path: Path, hub: Hub) -> None:
    hub.next["model-1.safetensors"].append(Fault(trickle_bytes=100_000))
    ours, theirs = os.openpty()
    with subprocess.Popen(command(tmp_path, hub), stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the other end of a terminal is gone
            pass
        finally:
            os.close(ours)
        assert process.wait(timeout=20) == 0
    assert b"fetching model" in shown
    assert b"MB/s" in shown
    assert b"\x1b[" in shown


def wait_until(condition, timeout_s: float = 20.0) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@hub_alone
def test_the_hub_of_these_tests_is_one_to_the_clients_own_download(tmp_path: Path, hub: Hub) -> None:
    snapshot_download(REPO, revision=COMMIT, endpoint=hub.url, local_dir=tmp_path / "snapshot", token=False)
    assert contents(tmp_path / "snapshot") == hub.files
