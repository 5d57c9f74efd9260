"""A dataset's samples: the same from JSON lists and from Parquet, in the order that is asked for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.core.dataset_files import DatasetSamples, read_columns, split_files
from weighbridge.core.errors import InputError

ROWS = st.lists(
    st.fixed_dictionaries(
        {"text": st.text(max_size=9), "ids": st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4)}
    ),
    min_size=1,
    max_size=8,
)


def write_json(path: Path, rows: list[dict[str, Any]]) -> None:
    # As MLCommons writes them, with a field that nobody reads.
    path.write_text(json.dumps([{"other": {"a": [1]}, **row} for row in rows], indent=4, ensure_ascii=False))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=ROWS, data=st.data())
def test_json_lists_and_parquet_hold_the_same_samples(
    tmp_path: Path, rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    write_json(tmp_path / "json.json", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "parquet.parquet")
    order = data.draw(st.none() | st.permutations(range(len(rows))))
    names = {"words": "text"}
    expected = [rows[index] for index in order] if order is not None else rows
    for split in ("json", "parquet"):
        samples = DatasetSamples(
            tmp_path,
            tuple(split_files(tmp_path, [split])),
            names,
            order=None if order is None else np.array(order),
        )
        assert samples.rows_in_files() == len(rows)
        assert samples.table(["ids", "words"]).to_pylist() == [
            {"ids": row["ids"], "words": row["text"]} for row in expected
        ]
        assert samples.rows(["words"], [0, len(rows)]) == {0: {"words": expected[0]["text"]}}
        [written] = samples.as_parquet(["words"], tmp_path)
        assert pq.read_table(written).to_pylist() == [{"words": row["text"]} for row in expected]
        written.unlink()


def test_parquet_files_that_are_in_order_are_read_where_they_lie(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "train.parquet")
    samples = DatasetSamples.of(tmp_path, ["train"])
    assert samples.as_parquet(["text"], tmp_path / "absent") == (tmp_path / "train.parquet",)


def test_several_files_are_one_after_the_other(tmp_path: Path) -> None:
    write_json(tmp_path / "first.json", [{"text": "a"}, {"text": "b"}])
    write_json(tmp_path / "second.json", [{"text": "c"}])
    samples = DatasetSamples.of(tmp_path, ["second", "first"])
    assert samples.frame(["text"])["text"].to_list() == ["c", "a", "b"]
    assert samples.rows(["text"], [2, 0]) == {2: {"text": "b"}, 0: {"text": "c"}}


def test_a_split_may_name_its_folder(tmp_path: Path) -> None:
    for folder in ("1.0", "2.0"):
        (tmp_path / folder).mkdir()
        pq.write_table(pa.table({"text": [folder]}), tmp_path / folder / "test-00000-of-00001.parquet")
    assert len(split_files(tmp_path, ["test"])) == 2
    assert read_columns(tmp_path, ["2.0/test"], ["text"])["text"].to_list() == ["2.0"]


def test_other_json_files_are_no_split(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "info.json").write_text("{}")
    (tmp_path / "test-info.json").write_text("{}")
    with pytest.raises(InputError, match=r"no Parquet file of the split 'test' and no test\.json"):
        split_files(tmp_path, ["test"])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "cannot be read as a JSON list"),
        ('[{"text": "a"}', "cannot be read as a JSON list"),
        ('[{"text": "\udcff"}]', "cannot be read as a JSON list"),
        ('[{"text": 1}, {"text": "a"}]', "cannot be read as a JSON list"),
        ("[]", "holds no samples"),
        ('{"text": "a"}', "is no list of samples with text"),
        ('[{"text": "a"}, {}]', r"is no list of samples with text \(Object missing required field `text`"),
    ],
)
def test_a_json_file_that_is_no_dataset_is_one_sentence(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "train.json").write_text(content, errors="surrogateescape")
    with pytest.raises(InputError, match=complaint) as caught:
        read_columns(tmp_path, ["train"], ["text"])
    assert "\n" not in str(caught.value)
