"""Earlier results are set aside, whatever deletes their files."""

import os
from pathlib import Path

import pytest

from weighbridge.run.replaced import replacing


def measure(tmp_path: Path, content: str) -> None:
    out = tmp_path / "results"
    with replacing(tmp_path / "replaced", "offline-performance", out, stale=[tmp_path / "verdict.json"]):
        out.mkdir(exist_ok=True)
        for name in ("run.json", "detail.txt"):
            (out / name).write_text(content)


def set_aside(tmp_path: Path) -> list[dict[str, str]]:
    folders = sorted((tmp_path / "replaced").glob("2*-offline-performance*"))
    return [{path.name: path.read_text() for path in folder.iterdir()} for folder in folders]


def test_a_first_result_replaces_nothing(tmp_path: Path) -> None:
    measure(tmp_path, "first")
    assert set_aside(tmp_path) == []


def test_what_was_deleted_before_the_rerun_is_kept(tmp_path: Path) -> None:
    measure(tmp_path, "first")
    for path in (tmp_path / "results").iterdir():
        path.unlink()  # as Snakemake does
    (tmp_path / "verdict.json").write_text("VALID")
    measure(tmp_path, "second")
    assert set_aside(tmp_path) == [{"run.json": "first", "detail.txt": "first", "verdict.json": "VALID"}]
    assert (tmp_path / "results" / "run.json").read_text() == "second"
    assert not (tmp_path / "verdict.json").exists()


def test_a_folder_of_the_result_goes_with_it_and_others_stay(tmp_path: Path) -> None:
    out, replaced = tmp_path / "results", tmp_path / "replaced"
    for content in ("first", "second"):
        with replacing(replaced, "interactive", out, folders=["client"]):
            assert not (out / "client" / "metrics" / "last.json").exists()
            for path in (out / "client" / "metrics" / "last.json", out / "probe" / "probe.json"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
    [old] = replaced.glob("2*-interactive")
    assert [path.relative_to(old).as_posix() for path in old.rglob("*.json")] == ["client/metrics/last.json"]
    assert (old / "client" / "metrics" / "last.json").read_text() == "first"
    assert (out / "client" / "metrics" / "last.json").read_text() == "second"


def test_every_replaced_result_is_kept_though_all_come_within_a_second(tmp_path: Path) -> None:
    for content in ("a", "b", "c", "d"):
        measure(tmp_path, content)
    assert {each["run.json"] for each in set_aside(tmp_path)} == {"a", "b", "c"}


def fail(tmp_path: Path) -> None:
    out = tmp_path / "results"
    with replacing(tmp_path / "replaced", "offline-performance", out):
        assert not list(out.iterdir())
        (out / "server.log").write_text("died")
        raise RuntimeError


def test_a_failed_rerun_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    measure(tmp_path, "first")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            fail(tmp_path)
    assert [each.get("run.json") for each in set_aside(tmp_path)] == ["first", None]
    assert {"server.log": "died"} in set_aside(tmp_path)


def test_the_copies_take_no_space_and_do_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "replaced" / ".current" / "offline-performance" / "run.json"
    measure(tmp_path, "first")
    assert kept.samefile(tmp_path / "results" / "run.json")

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    measure(tmp_path, "second")
    assert not kept.samefile(tmp_path / "results" / "run.json")
    assert kept.read_text() == "second"


def test_without_a_folder_nothing_is_set_aside(tmp_path: Path) -> None:
    with replacing(None, "offline-performance", tmp_path):
        (tmp_path / "run.json").write_text("")
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
