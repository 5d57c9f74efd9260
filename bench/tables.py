"""Write the tables of docs/performance.md from the results of bench/client.py.

    python bench/tables.py [--check]

Each table stands between two markers, `<!-- bench: NAME -->` and `<!-- end -->`, and is made of the newest
result that has it. `--check` only says whether the page is as it would be written.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
RESULTS = HERE / "results"
_END = "<!-- end -->"
IN_FLIGHT = ("18,000 requests in flight, one endpoint", "24,000 requests in flight, two endpoints")
_STREAMS = tuple(f"{kind}, {rate} chunks/s" for kind in ("Waves", "Poisson") for rate in ("10,000", "50,000"))
_TOKEN_STREAMS = tuple(
    f"Token ids{kind}, {rate}/s" for kind in (" in waves", ", Poisson") for rate in ("10,000", "50,000")
)
# What a comparison of our own checkouts shows: its case, and names of values by what they are called.
_COMPARED = (
    ("Offline", {"CPU µs/request": "cpu_us"}),
    *((f"Server, {rate} queries/s", {"CPU µs/request": "cpu_us"}) for rate in ("400", "1,000", "3,000")),
    *(
        (
            title,
            {
                "CPU µs/chunk": "chunk_us",
                "first token late, p50 ms": "first_error_p50_ms",
                "first token late, p99 ms": "first_error_p99_ms",
                "last token late, p99 ms": "last_error_p99_ms",
                "TTFT counted too long, p50 ms": "ttft_p50_off_ms",
                "TTFT counted too long, p99 ms": "ttft_p99_off_ms",
            },
        )
        for title in (*_STREAMS, *_TOKEN_STREAMS)
    ),
    *((title, {"delay p99 ms": "delay_p99_ms", "delay max ms": "delay_max_ms"}) for title in IN_FLIGHT),
)

Found = dict[str, Any]  # one result file
Summary = dict[str, dict[str, float]]


def results(folder: Path = RESULTS) -> list[Found]:
    """Return all results, the newest first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("client-*.json"), reverse=True)]


def _newest(found: Sequence[Found], title: str) -> Found | None:
    """Return the newest result that has a case; one with the other clients before one of ours alone."""
    having = [result for result in found if title in result["results"]]
    return next((result for result in having if result["versions"]), having[0] if having else None)


def _number(value: float) -> str:
    """Return a number with as many digits as say something."""
    if value == 0:
        return "0"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(summary: Summary, key: str) -> str:
    """Return "median (smallest-largest)"; nothing where the value is not known."""
    if key not in summary:
        return ""
    median, low, high = (_number(summary[key][which]) for which in ("median", "min", "max"))
    return median if low == high else f"{median} ({low}-{high})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _origin(result: Found) -> str:
    """Return where a table's numbers come from, as one sentence."""
    before, after = result["load_before"][0], result["load_after"][0]
    sources = ", ".join(f"{name}: {commit}" for name, commit in result["sources"].items())
    kind = "short runs" if result["quick"] else "full runs"
    processes = "real-time processes" if result["machine"]["realtime"] else "ordinary processes"
    return (
        f"{result['started'][:16].replace('T', ' ')} UTC; {kind}, medians (smallest-largest), rounds: "
        f"{result['rounds']}; {processes}; load average before and after: {before:.1f}, {after:.1f}; "
        f"{sources}."
    )


def _missing(case: Found) -> list[str]:
    return [f"- {name}: {reason.rstrip('.')}." for name, reason in case["missing"].items()]


def _sections(found: Sequence[Found], titles: Sequence[str], columns: dict[str, str]) -> list[str]:
    """Return the tables of cases, and after those of one result where they come from.

    Args:
        found: The results.
        titles: The cases.
        columns: Heads, with the names of values.
    """
    lines: list[str] = []
    for title, following in zip(titles, [*titles[1:], None], strict=True):
        result = _newest(found, title)
        if result is None:
            lines += [f"{title}: not measured yet (`make bench`).", ""]
            continue
        lines += [*_case(result, title, columns), ""]
        if following is None or _newest(found, following) is not result:
            lines += [_origin(result), ""]
    return lines[:-1]


def _case(result: Found, title: str, columns: dict[str, str]) -> list[str]:
    """Return the table of one case, and who did not run."""
    case = result["results"][title]
    rows = [
        [name, *(_cell(summary, key) for key in columns.values())]
        for name, summary in case["summary"].items()
    ]
    missing = _missing(case)
    return [*_table([title, *columns], rows), *(["", "Not run:", "", *missing] if missing else [])]


def _offline(found: Sequence[Found]) -> list[str]:
    columns = {
        "CPU µs/request": "cpu_us",
        "requests/s": "rate",
        "CPU s before and after": "around_s",
        "first sent after ms": "first_ms",
        "private MB": "private_mb",
    }
    return _sections(found, ["Offline"], columns)


def _server(found: Sequence[Found]) -> list[str]:
    columns = {
        "CPU µs/request": "cpu_us",
        "answered/s": "rate",
        "p50 ms": "latency_p50_ms",
        "p99 ms": "latency_p99_ms",
    }
    titles = [f"Server, {rate} queries/s" for rate in ("400", "1,000", "3,000")]
    return _sections(found, titles, columns)


def _streams(found: Sequence[Found]) -> list[str]:
    columns = {
        "CPU µs/chunk": "chunk_us",
        "first token late, p50 ms": "first_error_p50_ms",
        "p99 ms": "first_error_p99_ms",
        "last token late, p50 ms": "last_error_p50_ms",
        "p99 ms ": "last_error_p99_ms",
        "TTFT counted too long, p50 ms": "ttft_p50_off_ms",
        "p99 ms  ": "ttft_p99_off_ms",
    }
    return _sections(found, [*_STREAMS, *_TOKEN_STREAMS], columns)


def _in_flight(found: Sequence[Found]) -> list[str]:
    columns = {
        "lost": "lost",
        "most in flight": "most_in_flight",
        "delay p50 ms": "delay_p50_ms",
        "p99 ms": "delay_p99_ms",
        "max ms": "delay_max_ms",
        "latency p99 ms": "latency_p99_ms",
        "CPU µs/request": "cpu_us",
        "private MB": "private_mb",
    }
    return _sections(found, IN_FLIGHT, columns)


def _oracle(found: Sequence[Found]) -> list[str]:
    title = "Measured against computed latencies"
    if (result := _newest(found, title)) is None:
        return [f"{title}: not measured yet (`make bench`)."]
    rows = []
    for name, summary in result["results"][title]["summary"].items():
        for side in ("measured", "computed"):
            keys = [f"{share}_{side}_ms" for share in ("mean", "p50", "p99")]
            rows.append([f"{name}, {side}", *(_cell(summary, key) for key in keys)])
    return [*_table(["", "mean ms", "p50 ms", "p99 ms"], rows), "", _origin(result)]


def _compared(found: Sequence[Found]) -> list[str]:
    """Return the newest comparisons of checkouts of ours, one row a value."""
    lines: list[str] = []
    compared = [result for result in found if len(result["sources"]) > 1]
    for result in compared:
        rows = []
        for title, values in _COMPARED:
            if next((other for other in compared if title in other["results"]), None) is result:
                rows += _rows_of(result, title, values)
        if rows:
            lines += [*_table(["", *result["sources"]], rows), "", _origin(result), ""]
    return lines[:-1] or ["Not measured yet (`--source` twice)."]


def _rows_of(result: Found, title: str, values: dict[str, str]) -> list[list[str]]:
    """Return one row a value of a case: its name, and the cells of all checkouts."""
    summaries = result["results"][title]["summary"]
    of_each = [summaries.get(name) or summaries.get(f"{name}, 1 worker") or {} for name in result["sources"]]
    return [
        [f"{title}: {label}", *(_cell(summary, key) for summary in of_each)] for label, key in values.items()
    ]


def _trend(found: Sequence[Found]) -> list[str]:
    """Return one row a result and checkout of ours, the newest first."""
    cases = {
        "Offline": ("Offline", "cpu_us"),
        "Server 1,000/s": ("Server, 1,000 queries/s", "cpu_us"),
        "waves, 50,000/s": ("Waves, 50,000 chunks/s", "chunk_us"),
        "Poisson, 50,000/s": ("Poisson, 50,000 chunks/s", "chunk_us"),
    }
    rows = []
    for result in found:
        for name, commit in result["sources"].items():
            cells = []
            for title, key in cases.values():
                summaries = result["results"].get(title, {}).get("summary", {})
                own = summaries.get(name) or summaries.get(f"{name}, 1 worker") or {}
                cells.append(_cell(own, key))
            if not any(cells):
                continue
            kind = "short" if result["quick"] else "full"
            rows.append([f"{result['started'][:10]} {name} ({commit[:12]}), {kind}", *cells])
    heads = [f"{title}, CPU µs" for title in cases]
    return _table(["", *heads], rows)


def _versions(found: Sequence[Found]) -> list[str]:
    if not found:
        return ["Nothing is measured yet (`make bench`)."]
    newest = next((result for result in found if result["versions"]), found[0])
    machine = newest["machine"]
    names = [f"{name} {version}" for name, version in newest["versions"].items() if version]
    return [
        f"{machine['cpus']} virtual cores of an {machine['processor']}, Linux {machine['kernel']}, Python "
        f"{machine['python']}, LoadGen {machine['loadgen']}; the endpoint runs on the same cores. The "
        f"others: {', '.join(names) or 'none was there'}."
    ]


SECTIONS: dict[str, Callable[[Sequence[Found]], list[str]]] = {
    "machine": _versions,
    "offline": _offline,
    "server": _server,
    "streams": _streams,
    "in flight": _in_flight,
    "oracle": _oracle,
    "compared": _compared,
    "trend": _trend,
}


def written(page: str, found: Sequence[Found]) -> str:
    """Return the page with all its tables made anew.

    Raises:
        ValueError: a marker is missing.
    """
    for name, section in SECTIONS.items():
        head, begins, rest = page.partition(f"<!-- bench: {name} -->\n")
        _, ends, tail = rest.partition(_END)
        if not begins or not ends:
            raise ValueError(f"{PAGE}: the markers of the table {name!r} are missing")
        page = head + begins + "\n".join(["", *section(found), "", ""]) + ends + tail
    return page


def main() -> None:
    """Write or check the page."""
    text = PAGE.read_text()
    made = written(text, results())
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made)
    elif made != text:
        sys.exit(f"{PAGE}: not the tables of bench/results; run python bench/tables.py")


if __name__ == "__main__":
    main()
