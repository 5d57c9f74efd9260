"""Manifests and locks: order, digest, form on disk, and what is no part of an artifact."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.artifacts.manifest import FileEntry, Manifest, files_of, read_lock, write_lock
from weighbridge.core.errors import InputError

SHA = {letter: hashlib.sha256(letter.encode()).hexdigest() for letter in "ab"}
A = FileEntry(path="a.txt", size=1, sha256=SHA["a"])
B = FileEntry(path="b/b.txt", size=1, sha256=SHA["b"])

entries = st.lists(
    st.builds(
        FileEntry,
        path=st.from_regex(r"[a-zäß ]{1,8}(/[a-z0-9._-]{1,8}){0,2}", fullmatch=True).filter(
            lambda path: ".." not in path.split("/")
        ),
        size=st.integers(0, 1 << 45),
        sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    ),
    max_size=6,
    unique_by=lambda entry: entry.path,
)


def test_digest_is_the_sha256_of_sorted_lines() -> None:
    text = f"{SHA['a']} 1 a.txt\n{SHA['b']} 1 b/b.txt\n"
    assert Manifest(files=(B, A)).digest == hashlib.sha256(text.encode()).hexdigest()


@given(entries, st.randoms())
def test_order_does_not_matter_and_every_field_does(files: list[FileEntry], random) -> None:
    shuffled = list(files)
    random.shuffle(shuffled)
    manifest = Manifest(files=tuple(files))
    assert Manifest(files=tuple(shuffled)).digest == manifest.digest
    if files:
        changed = files[0].model_copy(update={"size": files[0].size + 1})
        assert Manifest(files=(changed, *files[1:])).digest != manifest.digest


@given(entries)
def test_a_lock_reads_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, files) -> None:
    lock = tmp_path_factory.mktemp("lock") / "some.json"
    manifest = Manifest(files=tuple(files))
    write_lock(lock, manifest)
    assert read_lock(lock) == manifest


def test_a_lock_has_one_line_for_each_file(tmp_path: Path) -> None:
    write_lock(tmp_path / "lock.json", Manifest(files=(B, A)))
    lines = (tmp_path / "lock.json").read_text().splitlines()
    assert [line.strip().rstrip(",") for line in lines[2:4]] == [
        f'{{"path": "a.txt", "size": 1, "sha256": "{SHA["a"]}"}}',
        f'{{"path": "b/b.txt", "size": 1, "sha256": "{SHA["b"]}"}}',
    ]
    assert len(lines) == 6


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../b", ""])
def test_a_path_never_leaves_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="inside it"):
        FileEntry(path=path, size=0, sha256=SHA["a"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "weighbridge lock FOLDER"),
        ("{", "not JSON"),
        ('{"files": [{"path": "a", "size": -1, "sha256": "00"}]}', "files.0.size"),
        (f'{{"files": [{", ".join([A.model_dump_json()] * 2)}]}}', "listed twice"),
        ('{"file": []}', "file"),
    ],
)
def test_a_bad_lock_is_one_sentence(tmp_path: Path, text: str | None, says: str) -> None:
    lock = tmp_path / "lock.json"
    if text is not None:
        lock.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        read_lock(lock)
    assert str(lock) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bookkeeping_is_no_part_of_an_artifact(tmp_path: Path) -> None:
    for path in (
        "a.txt",
        "b/.cache/kept.txt",
        ".gitattributes",
        ".cache/huggingface/x.lock",
        ".git/HEAD",
        "b/__pycache__/x.pyc",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nothing")
    assert files_of(tmp_path) == [".gitattributes", "a.txt", "b/.cache/kept.txt", "link.txt"]
