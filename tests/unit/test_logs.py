"""Reading LoadGen's files: what is there, and one sentence for everything that is wrong."""

import json
from pathlib import Path

import pytest

from weighbridge.core.errors import InputError
from weighbridge.loadgen.logs import read_answers, read_detail, read_validity


def _line(key: str, value: object, is_error: bool = False) -> str:
    return ":::MLLOG " + json.dumps(
        {"key": key, "value": value, "metadata": {"is_error": is_error, "pid": 1}}
    )


def _detail(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def _answers(path: Path, records: list[tuple[int, str]]) -> Path:
    lines = [
        f'{{ "seq_id" : {n}, "qsl_idx" : {index}, "data" : "{data}", "token_count" : 7 }}'
        for n, (index, data) in enumerate(records)
    ]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return path


def _hex(text: str) -> str:
    return text.encode().hex().upper()


def test_detail_values_keep_their_type(tmp_path: Path) -> None:
    log = read_detail(
        _detail(
            tmp_path / "log",
            _line("seed", 14276810075590677512),
            _line("qps", 38),
            "a line that is not LoadGen's",
            _line("met", True),
            _line("result_99.00_percentile_latency_ns", 11519680685),
            _line("name", "Größe"),
            _line("files", {"a": "b"}),
        )
    )
    assert log.integer("seed") == 14276810075590677512
    assert log.number("qps") == 38
    assert log.flag("met") is True
    assert log.text("name") == "Größe"
    assert log.get("files") == {"a": "b"}
    assert log.get("absent") is log.number("absent") is log.flag("absent") is None
    assert log.errors == ()


def test_messages_may_be_repeated_but_a_value_that_is_read_must_not_contradict_itself(tmp_path: Path) -> None:
    log = read_detail(
        _detail(
            tmp_path / "log",
            *(_line("generic_message", text) for text in ("Starting", "Ending")),
            *(_line("qps", value) for value in (38, 38.0)),
            *(_line("result_validity", value) for value in ("VALID", "INVALID")),
        )
    )
    assert log.number("qps") == 38
    for read in (log.text, log.get):
        with pytest.raises(InputError, match="'result_validity' is logged with different values"):
            read("result_validity")


@pytest.mark.parametrize(
    "line",
    [
        '{"key": "a", "value": 1}',
        '{"key": "a", "value": 1, "metadata": {"pid": 1}}',
        '{"key": "a", "value": 1, "metadata": {"is_error": "false"}}',
        '{"key": "a", "metadata": {"is_error": false}}',
        '{"key": "a", "value": "a\tb", "metadata": {"is_error": false}}',
        '{"key": "a", "value": {"b": "\\x"}, "metadata": {"is_error": false}}',
        f'{{"key": "a", "value": {"[" * 99999}{"]" * 99999}, "metadata": {{"is_error": false}}}}',
    ],
    ids=range(7),
)
def test_a_line_that_an_official_checker_cannot_read_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match="line 2 is cut off or altered"):
        read_detail(_detail(tmp_path / "log", _line("a", 1), f":::MLLOG{line}"))


def test_detail_lists_loadgens_errors(tmp_path: Path) -> None:
    log = read_detail(
        _detail(tmp_path / "log", _line("a", 1), _line("error_runtime", "broke", is_error=True))
    )
    assert log.errors == ("error_runtime: broke",)


def test_a_value_of_another_type_is_named(tmp_path: Path) -> None:
    log = read_detail(_detail(tmp_path / "log", _line("met", "yes")))
    with pytest.raises(InputError, match="'met' is \"yes\", not true or false"):
        log.flag("met")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a LoadGen detail log"),
        (b"hello\n", "not a LoadGen detail log"),
        (_line("a", 1).encode() + b"\n" + _line("b", 2).encode()[:-20] + b"\n", "line 2 is cut off"),
        (_line("a", 1).encode() + b"\n\xff\xfe\n", "not UTF-8 text"),
    ],
)
def test_no_detail_log(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        read_detail(tmp_path / "log")


def test_missing_files_are_one_sentence(tmp_path: Path) -> None:
    for read in (read_detail, read_validity, lambda path: read_answers(path, 1)):
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path / "absent")


def test_answers_are_the_logged_bytes_by_sample(tmp_path: Path) -> None:
    log = _answers(tmp_path / "log", [(2, _hex("zwei — 二")), (0, _hex("")), (1, _hex('{"a": 1}'))])
    answers = read_answers(log, 3)
    assert answers == {0: b"", 1: b'{"a": 1}', 2: "zwei — 二".encode()}
    assert list(answers) == [2, 0, 1]  # in the order of the log


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ([(0, "41"), (2, "41")], "1 of 3 samples have no answer (the first is 1)"),
        ([], "3 of 3 samples have no answer"),
        ([(0, "41"), (1, "41"), (2, "41"), (1, "42")], "sample 1 more than once"),
        ([(0, "41"), (3, "41")], "answers sample 3, but the dataset has samples 0 to 2"),
        ([(-1, "41")], "answers sample -1"),
        ([(0, "4")], "sample 0 is not hexadecimal"),
        ([(0, "4G")], "sample 0 is not hexadecimal"),
        ([(0, "ÄÄ")], "sample 0 is not hexadecimal"),
    ],
)
def test_answers_that_must_not_be_scored(
    tmp_path: Path, records: list[tuple[int, str]], complaint: str
) -> None:
    log = _answers(tmp_path / "log", records)
    with pytest.raises(InputError) as error:
        read_answers(log, 3)
    assert complaint in str(error.value)


def test_damaged_answers_are_told_from_truncated_ones(tmp_path: Path) -> None:
    log = _answers(tmp_path / "log", [(index, _hex("x" * 100)) for index in range(3)])
    whole = log.read_bytes()
    log.write_bytes(whole[:300])
    with pytest.raises(InputError, match="cut off or damaged"):
        read_answers(log, 3)
    log.write_bytes(whole[:200] + b"\n\n...\n\n" + whole[-200:])
    with pytest.raises(InputError, match="score the original log"):
        read_answers(log, 3)
    log.write_bytes(b'{"qsl_idx": 0}')
    with pytest.raises(InputError, match="cut off or damaged"):
        read_answers(log, 3)


def test_validity_is_read_where_there_is_a_result(tmp_path: Path) -> None:
    summary = tmp_path / "summary"
    summary.write_text("Mode     : PerformanceOnly\nResult is : INVALID\n  Min queries satisfied : NO\n")
    assert read_validity(summary) == "INVALID"
    summary.write_text("\nNo warnings encountered during test.\n\nNo errors encountered during test.\n")
    assert read_validity(summary) is None
