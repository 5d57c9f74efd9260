"""A written file proves later that nothing of it was lost; the kept answers are a fair share."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.client.answer_sample import AnswerSample, share_of
from weighbridge.client.written_file import FileProof, WrittenFile
from weighbridge.core.errors import SetupError
from weighbridge.core.files import disk_needed


def written(path: Path, *pieces: bytes) -> FileProof:
    file = WrittenFile(str(path))
    for piece in pieces:
        file.write(piece)
    return file.close()


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "records"
    proof = written(path, b"one", b"", memoryview(b"two"))
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o600
    assert proof.contradiction(path) is None
    assert written(tmp_path / "empty").contradiction(tmp_path / "empty") is None


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=200))
def test_every_other_content_is_noticed(content: bytes, other: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records"
        proof = written(path, content)
        path.write_bytes(other)
        assert (proof.contradiction(path) is None) == (content == other)


def test_a_file_that_is_gone_is_noticed(tmp_path: Path) -> None:
    proof = written(tmp_path / "records")
    (tmp_path / "records").unlink()
    assert proof.contradiction(tmp_path / "records") == "records is gone"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "the disk of {} is full; make room and repeat."),
        (errno.EDQUOT, "the disk quota of {} is used up; make room"),
        (errno.EFBIG, "a file in {} has reached the largest size that is allowed"),
    ],
)
def test_a_disk_that_takes_no_more_is_named(number: int, said: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError) as caught, disk_needed(tmp_path):
        raise OSError(number, "x")
    assert said.format(tmp_path) in str(caught.value)
    with pytest.raises(PermissionError), disk_needed(tmp_path):
        raise PermissionError(errno.EACCES, "x")


def test_a_full_device_is_noticed_at_the_latest_when_it_is_flushed(tmp_path: Path) -> None:
    # A test that runs as root would make an ordinary file of a missing device, for all other programs too.
    full = os.makedev(1, 7)
    if not (Path("/dev/full").is_char_device() and Path("/dev/full").stat().st_rdev == full):
        pytest.skip("/dev/full is no device here")
    file = WrittenFile("/dev/full")
    file.write(b"x")
    with pytest.raises(SetupError, match="is full"), disk_needed(tmp_path):
        file.flush()
    with pytest.raises(OSError, match="No space left"):
        file.close()


def kept(path: Path, share: float, answers: int, most_bytes: int = 1 << 20) -> list[int]:
    file = WrittenFile(str(path))
    sample = AnswerSample(file, share, most_bytes=most_bytes)
    for number in range(answers):
        if number == sample.next:
            sample.advance()
            sample.keep(number, f"ä{number}".encode())
    file.close()
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert all(line["text"] == f"ä{line['sample']}" for line in lines)
    return [line["sample"] for line in lines]


def test_all_answers_are_kept_where_they_are_few(tmp_path: Path) -> None:
    assert share_of(1000) == share_of(1) == 1
    assert kept(tmp_path / "kept", 1.0, 300) == list(range(300))


def test_a_share_of_many_is_kept_and_another_every_time(tmp_path: Path) -> None:
    share = share_of(50_000)
    assert share == 0.02
    first, second = (kept(tmp_path / name, share, 50_000) for name in ("first", "second"))
    # Six standard deviations: once in five hundred million runs.
    assert 1000 - 190 < len(first) < 1000 + 190
    assert first != second
    halves = [sum(number < 25_000 for number in numbers) for numbers in (first, second)]
    assert all(380 < half < 620 for half in halves)


def test_answers_are_kept_up_to_a_size(tmp_path: Path) -> None:
    assert len(kept(tmp_path / "kept", 1.0, 300, most_bytes=1000)) < 40
    assert (tmp_path / "kept").stat().st_size <= 1000


def test_without_a_file_none_is_kept() -> None:
    assert AnswerSample(None, 1.0).next > 1 << 60
