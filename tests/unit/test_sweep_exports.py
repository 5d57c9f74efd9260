"""Exports of a sweep, read by the tools they are for; and vLLM's results, read by ours."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from llmd_benchmark_report import load_benchmark_report
from replayed_sweep import STREAMED, write_replayed_sweep

from weighbridge.cli.export import ExportForm, export
from weighbridge.config.load_level import LoadLevel
from weighbridge.core.errors import InputError
from weighbridge.records.comparison import ComparisonResult, SweepComparison
from weighbridge.report.export_llmd import export_llmd
from weighbridge.report.export_vllm import export_vllm
from weighbridge.sweep.compare_sweeps import compare_sweeps
from weighbridge.sweep.recorded_sweeps import are_sweeps, read_sweep

ROOT = Path(__file__).parents[2]
SERVER = ROOT / ".venv-server" / "bin" / "python"
LEVELS = (LoadLevel(closed=4), LoadLevel(closed=16), LoadLevel(poisson=20.0))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    systems = {"A": STREAMED, "B": STREAMED.model_copy(update={"speed": 2.0})}
    return write_replayed_sweep(tmp_path_factory.mktemp("sweep"), systems, LEVELS)


@pytest.fixture(scope="module")
def vllm(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("vllm")
    assert len(export_vllm(sweep, out)) == 6
    return out


def _runs(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_llm_ds_package_takes_every_report(sweep: Path, tmp_path: Path) -> None:
    files = export_llmd(sweep, tmp_path)
    assert len(files) == 2 * 3 * 3
    comparison = SweepComparison.read(sweep / "comparison.json")
    for file in files:
        report = load_benchmark_report(yaml.safe_load(file.read_text()))
        assert type(report).__name__ == "BenchmarkReportV02"
    system, workload, level, name = files[0].relative_to(tmp_path).parts
    [cell] = [each for each in comparison.cells if (each.workload, each.level) == (workload, level)]
    block = name.removesuffix(".yaml").replace("-", "/")
    report = load_benchmark_report(yaml.safe_load(files[0].read_text()))
    found = report.results.request_performance.aggregate
    expected = {figure: values[block] for figure, values in cell.systems[system].per_block.items()}
    assert found.throughput.request_rate.mean == pytest.approx(expected["qps"])
    assert found.latency.time_to_first_token.p50 == pytest.approx(expected["ttft.p50"])
    assert found.latency.request_latency.p50 == pytest.approx(expected["e2e.p50"])
    assert found.latency.request_latency.p99 is None  # 80 requests
    assert found.requests.total == 80


def test_every_run_has_vllms_keys_and_its_values_agree(vllm: Path) -> None:
    [*files] = sorted(vllm.rglob("summary.json"))
    assert [str(file.parent.relative_to(vllm)) for file in files[:3]] == [
        "A/chat/closed-16",
        "A/chat/closed-4",
        "A/chat/poisson-20",
    ]
    for run in (run for file in files for run in _runs(file)):
        lists = ("ttfts", "itls", "latencies", "start_times", "input_lens", "output_lens", "errors")
        assert {len(run[name]) for name in lists} == {run["num_prompts"]} == {80}
        assert run["completed"] == 80
        assert run["mean_ttft_ms"] == pytest.approx(1000 * np.mean(run["ttfts"]))
        assert run["median_e2el_ms"] == pytest.approx(1000 * np.median(run["latencies"]))
        assert run["p99_e2el_ms"] is None
        assert run["total_output_tokens"] == sum(run["output_lens"]) == 80 * 12
        starts = run["start_times"]
        assert starts[0] == 0
        assert starts == sorted(starts)
        for ttft, gaps, latency in zip(run["ttfts"], run["itls"], run["latencies"], strict=True):
            assert 0 < ttft + math.fsum(gaps) <= latency + 1e-9
    levels = {(run["level"], run["max_concurrency"], run["request_rate"]) for run in _runs(files[2])}
    assert levels == {("poisson-20", None, 20.0)}


PLOTS = """
import runpy, sys
for module, *options in (
    ["plot_pareto", "--gpu-count-var", "num_gpus"],
    ["plot", "--var-x", "max_concurrency", "--var-y", "median_ttft_ms", "--curve-by", "system"],
):
    sys.argv = [module, sys.argv[-1], *options, "--dry-run"]
    runpy.run_module(f"vllm.benchmarks.sweep.{module}", run_name="__main__")
    sys.argv = [sys.argv[1]]
"""


@pytest.mark.skipif(not SERVER.exists(), reason="vLLM is not installed; run `make setup`")
def test_vllms_plots_read_the_export(vllm: Path) -> None:
    """Without drawing, for which vLLM's environment lacks pandas; bench/exports.py draws."""
    command = [str(SERVER), "-c", PLOTS, str(vllm)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[END FIGURE]") == 2
    assert "Skipped" not in done.stdout  # a run without a user count


def test_our_own_export_is_read_back_as_a_foreign_sweep(sweep: Path, vllm: Path) -> None:
    assert are_sweeps([vllm])
    back = read_sweep(vllm)
    assert back.foreign
    assert back.systems == ["A", "B"]
    ours = SweepComparison.read(sweep / "comparison.json")
    for cell in ours.cells:
        [there] = [each for each in back.comparison.cells if each.level == cell.level]
        assert there.open == cell.open
        for system, figures in cell.systems.items():
            for name in ("qps", "output_tps", "goodput", "ttft.p50", "e2e.mean"):
                expected = sorted(figures.per_block[name].values())
                assert sorted(there.systems[system].per_block[name].values()) == pytest.approx(expected)


def test_two_files_of_vllm_are_compared_as_indicative(vllm: Path, tmp_path: Path) -> None:
    def plain(system: str, name: str) -> Path:
        """Write runs as vLLM does, one a line, without what we add to them."""
        keep = "num_prompts request_rate max_concurrency duration completed failed total_input_tokens"
        runs = _runs(vllm / system / "chat" / "closed-16" / "summary.json")
        lines = [
            json.dumps({key: run[key] for key in (*keep.split(), "request_throughput")} | {"extra": [1]})
            for run in runs
        ]
        (tmp_path / name).write_text("\n".join(lines))
        return tmp_path / name

    old, new = read_sweep(plain("A", "old.json")), read_sweep(plain("B", "new.json"))
    change = compare_sweeps(old, new)
    [row] = change.rows
    assert (row.system, row.level) == ("server", "closed-16")
    assert row.result is ComparisonResult.INDICATIVE_FASTER
    assert sum("another tool, whose window holds ramp and drain" in each for each in change.warnings) == 2


def test_a_foreign_sweep_beside_ours_needs_force_and_takes_the_whole_run(sweep: Path, vllm: Path) -> None:
    ours, foreign = read_sweep(sweep), read_sweep(vllm)
    with pytest.raises(InputError, match="another tool's window"):
        compare_sweeps(ours, foreign)
    change = compare_sweeps(ours, foreign, force=True)
    rows = [row for row in change.rows if row.level == "closed-4"]
    [cell] = [each for each in ours.comparison.cells if each.level == "closed-4"]
    for row in rows:
        figures = cell.systems[row.system].per_block
        logs = [np.mean(np.log([*figures[name].values()])) for name in ("qps_whole_run", "qps")]
        assert row.speed_up is not None
        assert row.speed_up.ratio == pytest.approx(math.exp(logs[1] - logs[0]))


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"request_throughput": "x"}]', "no JSON"])
def test_other_files_are_input_errors(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(InputError):
        read_sweep(file)


def test_the_command_says_where_the_files_are(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(sweep, ExportForm.LLMD, tmp_path)
    assert capsys.readouterr().out == f"18 files in {tmp_path}\n"
    with pytest.raises(InputError, match="pass the folder of a finished sweep"):
        export(tmp_path, ExportForm.VLLM, tmp_path)
