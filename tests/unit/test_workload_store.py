"""A workload's store: what is drawn, that two builds are the same bytes, and what changes with what."""

import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from weighbridge.config.load_level import LoadLevel
from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import PhaseCounts
from weighbridge.requests.turns import RunPhase
from weighbridge.requests.workload_store import SliceSpec, WorkloadStore, build_workload_store

COUNTS = PhaseCounts(warmup=2, measured=5, cooldown=2)
CLOSED = LoadLevel(closed=4)


def workload(**given: Any) -> Workload:
    return Workload.parse({"name": "w", "seed": 7, **given}, "test")


def built(
    given: Workload, out: Path, *, blocks: int = 2, level: LoadLevel = CLOSED, **more: Any
) -> WorkloadStore:
    slices = [SliceSpec(block, 1, level, COUNTS) for block in range(1, blocks + 1)]
    build_workload_store(given, slices, out, **more)
    return WorkloadStore.open(out)


def bodies(store: WorkloadStore) -> list[dict[str, Any]]:
    return [json.loads(b'{"model":"m",' + bytes(store.body(index))) for index in range(len(store))]


def asked(body: dict[str, Any]) -> str:
    """Return the last message's text."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else content[0]["text"]


def urls(body: dict[str, Any]) -> list[str]:
    content = body["messages"][0]["content"]
    return [] if isinstance(content, str) else [part["image_url"]["url"] for part in content[1:]]


WITH_IMAGES = {
    "source": {"images": {"kind": "synthetic", "pixels": {"uniform": [900, 1600]}}},
    "images_per_turn": {"uniform": [1, 3]},
    "turns": 2,
    "output_tokens": {"uniform": [3, 9]},
}


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = (
        built(workload(**WITH_IMAGES), tmp_path / "a"),
        built(workload(**WITH_IMAGES), tmp_path / "b"),
    )
    files = sorted(path.name for path in one.path.iterdir())
    assert files == ["bodies.bin", "index.bin", "manifest.json", "turns.npy"]
    assert all((one.path / name).read_bytes() == (other.path / name).read_bytes() for name in files)
    assert one.manifest.versions["python"] == platform.python_version()
    assert one.manifest.versions["numpy"] == np.__version__


def test_other_output_lengths_change_neither_texts_nor_images(tmp_path: Path) -> None:
    one = built(workload(**WITH_IMAGES), tmp_path / "a")
    longer = WITH_IMAGES | {"output_tokens": {"normal": {"mean": 40, "sd": 9}}}
    other = built(workload(**longer), tmp_path / "b")
    assert list(map(asked, bodies(one))) == list(map(asked, bodies(other)))
    assert list(map(urls, bodies(one))) == list(map(urls, bodies(other)))
    assert one.turns["target_tokens"].tolist() != other.turns["target_tokens"].tolist()
    assert one.manifest.digest != other.manifest.digest
    changed = built(workload(**WITH_IMAGES | {"seed": 8}), tmp_path / "c")
    assert list(map(asked, bodies(one))) != list(map(asked, bodies(changed)))


def test_another_slice_beside_them_changes_none(tmp_path: Path) -> None:
    one = built(workload(turns={"uniform": [1, 3]}), tmp_path / "a", blocks=1)
    slices = [SliceSpec(3, 1, LoadLevel(poisson=2), COUNTS), SliceSpec(1, 1, CLOSED, COUNTS)]
    build_workload_store(workload(turns={"uniform": [1, 3]}), slices, tmp_path / "b")
    other = WorkloadStore.open(tmp_path / "b")
    there = [bytes(other.body(row["request"])) for row in other.slice(1, "closed-4")]
    assert there == [bytes(one.body(index)) for index in range(len(one))]


def test_phases_and_turns_follow_each_other(tmp_path: Path) -> None:
    store = built(workload(turns=3, think_time_s={"uniform": [1, 2]}), tmp_path / "a")
    rows = store.slice(2, "closed-4")
    assert rows["request"].tolist() == list(range(27, 54))
    assert rows["conversation"].tolist() == [number // 3 for number in range(27)]
    assert rows["turn"].tolist() == [0, 1, 2] * 9
    phases = [RunPhase.WARMUP] * 6 + [RunPhase.MEASURED] * 15 + [RunPhase.COOLDOWN] * 6
    assert rows["phase"].tolist() == phases
    assert np.isnan(rows["due_s"]).all()
    assert (rows["think_s"][rows["turn"] == 0] == 0).all()
    assert ((rows["think_s"][rows["turn"] > 0] >= 1) & (rows["think_s"][rows["turn"] > 0] <= 2)).all()
    assert store.manifest.slices[1].requests == 27
    questions = [asked(body) for body in bodies(store)]
    assert len(set(questions)) == len(questions)


def test_later_turns_repeat_recorded_answers_of_the_asked_length(tmp_path: Path) -> None:
    store = built(workload(turns=3, output_tokens={"uniform": [3, 9]}), tmp_path / "a", blocks=1)
    for row, body in zip(store.turns, bodies(store), strict=True):
        assert [each["role"] for each in body["messages"]] == ["user", "assistant"] * row["turn"] + ["user"]
        assert body["max_tokens"] == row["target_tokens"]
        for place in range(row["turn"]):
            earlier = store.turns[row["request"] - row["turn"] + place]
            said = body["messages"][2 * place + 1]["content"]
            assert len(said.split()) == earlier["target_tokens"]
    last = bodies(store)[2]
    assert last["ignore_eos"] is True
    assert "min_tokens" not in last
    assert last["stream_options"] == {"include_usage": True}


def test_a_system_asks_by_its_own_name(tmp_path: Path) -> None:
    store = built(workload(), tmp_path / "a")
    sent = store.sent_as('a "model"')
    assert json.loads(sent.form.body(store.body(0)))["model"] == 'a "model"'
    assert sent.sent_sizes()[0] == len(sent.form.body(store.body(0)))
    assert sent.form.envelope[0] + '"messages":[]' + sent.form.envelope[1]
    assert len(sent) == 18
    assert not sent.holes


def test_a_store_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    store = built(workload(), tmp_path / "a")
    np.save(store.path / "turns.npy", store.turns[:-1])
    with pytest.raises(InputError, match="does not match its manifest"):
        WorkloadStore.open(store.path)


def test_a_release_draws_what_the_release_before_drew(tmp_path: Path) -> None:
    given = workload(
        turns={"uniform": [1, 3]},
        output_tokens={"normal": {"mean": 40, "sd": 9}},
        think_time_s={"exponential": {"mean": 2}},
        shared_prefix={"groups": 2, "tokens": 9, "share": 0.5},
    )
    store = built(given, tmp_path / "a", level=LoadLevel(poisson=3))
    assert store.manifest.bodies_sha256 == (
        "84543f2062e8b1924239ceb2018d904f3af2f07fd28d6eee5c309a3f2d27b89b"
    )
    due = sorted(set(store.slice(1, "poisson-3")["due_s"].tolist()))
    assert due[:3] == pytest.approx([0.0, 0.40122804495609277, 0.6626064331899244])
    assert store.turns["think_s"].sum() == pytest.approx(25.47378140162913)
