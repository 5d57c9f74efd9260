"""Data of workloads: some files of a repository, pinned by their proof, and archives unpacked with care."""

import io
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_server import COMMIT, REPO, TREE, Fault, Hub, serving

from weighbridge.artifacts import download
from weighbridge.artifacts.proof import Proof
from weighbridge.artifacts.unpacking import unpack_zip
from weighbridge.artifacts.workload_data import DataSource, data_names, data_sources, fetch_data
from weighbridge.core.errors import InputError, SetupError

IMAGES = {"share/one.jpg": b"\xff1" * 900, "share/sub/two.jpg": b"\xff2" * 400}
SOURCES = {
    "docvqa": DataSource(repo=REPO, revision=COMMIT, files=("opensource/doc*.jsonl",)),
    "images": DataSource(repo=REPO, files=("data/share.zip",), unpack=True),
}


def zipped(files: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.mkdir("share")
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            if change is not None:
                change(entry)
            archive.writestr(entry, content)
    return buffer.getvalue()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    files = {
        "opensource/docvqa_train_10k.jsonl": b"{}\n" * 900,
        "opensource/other.jsonl": b"{}\n" * 9000,
        "data/share.zip": zipped(IMAGES),
        "README.md": b"large",
    }
    with serving(Hub(files)) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        for name in ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(download, "_PAUSES_S", (0.01,) * 6)
        yield hub


def unpacked(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_only_the_named_files_are_fetched_and_the_archive_is_unpacked(tmp_path: Path, hub: Hub) -> None:
    proofs = fetch_data("x", tmp_path / "data", SOURCES)
    assert [entry.path for entry in proofs[0].files] == ["opensource/docvqa_train_10k.jsonl"]
    assert unpacked(tmp_path / "data" / "images") == IMAGES
    assert [entry.path for entry in proofs[1].files] == list(IMAGES)
    assert {proof.revision for proof in proofs} == {COMMIT}
    assert not hub.count("opensource/other.jsonl")
    assert not hub.count("README.md")
    assert [Proof.read(tmp_path / "data" / f"{name}.json") for name in SOURCES] == proofs


def test_the_proofs_pin_what_was_fetched(tmp_path: Path, hub: Hub) -> None:
    proofs = fetch_data("x", tmp_path / "data", SOURCES)
    hub.seen.clear()
    assert fetch_data("x", tmp_path / "data", SOURCES) == proofs
    assert not hub.seen
    (tmp_path / "data" / "images" / "share" / "one.jpg").write_bytes(b"changed")
    assert fetch_data("x", tmp_path / "data", SOURCES) == proofs
    assert unpacked(tmp_path / "data" / "images") == IMAGES
    assert not hub.seen
    hub.files["data/share.zip"] = zipped({"share/one.jpg": b"another" * 900})
    (tmp_path / "data" / "images-archive" / "data" / "share.zip").unlink()
    (tmp_path / "data" / "images" / "share" / "one.jpg").unlink()
    with pytest.raises(SetupError, match=r"is not as locked: data/share\.zip"):
        fetch_data("x", tmp_path / "data", SOURCES)
    assert {seen.path for seen in hub.seen} == {TREE}


def test_a_file_that_is_missing_there_is_named(tmp_path: Path, hub: Hub) -> None:
    sources = {"a": DataSource(repo=REPO, revision=COMMIT, files=("nothing.jsonl",))}
    with pytest.raises(SetupError, match=r"has no file nothing\.jsonl"):
        fetch_data("x", tmp_path / "data", sources)
    hub.always["(main)"] = Fault(status=401)
    with pytest.raises(SetupError, match="does not exist or is not public"):
        fetch_data("x", tmp_path / "data", {"images": SOURCES["images"]})


def test_the_package_knows_what_dashinfer_reads() -> None:
    assert data_names() == ("internvl-sft",)
    known = data_sources("internvl-sft")
    assert known["docvqa"].files == ("docvqa_train_10k.jsonl",)
    assert known["docvqa"].revision is not None
    assert known["share_textvqa"].unpack
    with pytest.raises(InputError, match="none of the data internvl-sft"):
        data_sources("other")


def _link(entry: zipfile.ZipInfo) -> None:
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (zipped({"../outside.jpg": b"x"}), "the path '../outside.jpg'"),
        (zipped({"/outside.jpg": b"x"}), "the path '/outside.jpg'"),
        (zipped({"a\\b.jpg": b"x"}), "the path"),
        (zipped({"link": b"/etc/passwd"}, _link), "the link 'link'"),
        (zipped(IMAGES)[:-30], "cannot be unpacked"),
        (b"no archive", "cannot be unpacked"),
    ],
    ids=["parent", "absolute", "backslash", "link", "cut", "none"],
)
def test_a_dangerous_archive_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    archive = tmp_path / "in" / "a.zip"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(SetupError, match=why):
        unpack_zip(archive, tmp_path / "in" / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "a.zip"]


def test_a_bomb_is_refused_and_a_twin_and_a_flipped_byte(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(70 << 20))
    with pytest.raises(SetupError, match=r"has 7\d\.\d MB of data, which no archive of images has"):
        unpack_zip(archive, tmp_path / "out")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("twice", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            opened.writestr("twice", b"2")
    with pytest.raises(SetupError, match="the path 'twice'"):
        unpack_zip(archive, tmp_path / "out")
    content = zipped(IMAGES)
    archive.write_bytes(content.replace(b"\xff1\xff1", b"\xff1\xff0", 1))
    with pytest.raises(SetupError, match=r"cannot be unpacked.*CRC"):
        unpack_zip(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_refused_however_it_is_packed(packed: int, tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", packed) as opened:
        opened.writestr("a.jpg", bytes(range(256)) * 40)
    content = bytearray(archive.read_bytes())
    content[45:60] = b"\xff" * 15  # within the packed data
    archive.write_bytes(content)
    with pytest.raises(SetupError, match="cannot be unpacked"):
        unpack_zip(archive, tmp_path / "out")
