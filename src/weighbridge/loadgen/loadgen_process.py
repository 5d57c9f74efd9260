"""LoadGen's process: settings from user.conf, the sample library, the system under test, one run.

It has a process of its own for three reasons: LoadGen reads its settings once a process; it stays in C++
until its schedule ends, so that it can be stopped early only from outside; and nothing else may compete for
its interpreter.
"""

import gc
import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path

import mlperf_loadgen as lg
import msgspec

from weighbridge.client.answer_sample import AnswerSample
from weighbridge.client.driver_control import (
    inherited_socket,
    read_into_page_cache,
    sleep_precisely,
    tell,
    tell_failure,
)
from weighbridge.client.written_file import WrittenFile
from weighbridge.core.parent_death import die_with_parent
from weighbridge.loadgen.collector import PROCESS, Collector, Failures
from weighbridge.loadgen.loadgen_job import LoadGenJob
from weighbridge.loadgen.sut import SystemUnderTest
from weighbridge.requests.bodies import BODIES_FILE

# The collecting thread may hold the interpreter this long while LoadGen's thread waits to issue.
_SWITCH_INTERVAL_S = 0.0001
_OFFLINE = "Offline"  # where LoadGen counts tokens, but wants no first ones


class RefusedError(Exception):
    """LoadGen does not apply the settings as they are meant."""


def make_settings(job: LoadGenJob) -> lg.TestSettings:
    """Read user.conf over LoadGen's built-in settings and check that they apply.

    Raises:
        RefusedError: LoadGen could not read it, or carries other seeds than the round.
    """
    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, job.scenario)
    settings.mode = lg.TestMode.AccuracyOnly if job.accuracy else lg.TestMode.PerformanceOnly
    code = settings.FromConfig(job.user_conf, job.model, job.scenario, 1)
    if code != 0:
        raise RefusedError(f"LoadGen could not read {job.user_conf} (code {code})")
    found = {
        "qsl": settings.qsl_rng_seed,
        "sample_index": settings.sample_index_rng_seed,
        "schedule": settings.schedule_rng_seed,
    }
    if found != job.seeds:
        raise RefusedError(
            f"mlcommons-loadgen {version('mlcommons-loadgen')} carries the seeds {found}, the round needs "
            f"{job.seeds}; install a release that the round names"
        )
    if settings.performance_sample_count_override != job.samples:
        raise RefusedError(
            f"LoadGen does not know the benchmark '{job.model}'; correct the round's loadgen.model"
        )
    if settings.use_token_latencies and not (job.first_tokens or job.scenario == _OFFLINE):
        raise RefusedError(
            f"LoadGen counts the first tokens of the benchmark '{job.model}'; set the round's "
            "loadgen.token_latencies"
        )
    return settings


def effective(settings: lg.TestSettings) -> dict[str, float | int | str | bool]:
    """Return the settings that matter to a reader of run.json."""
    shown: dict[str, float | int | str | bool] = {
        name: getattr(settings, name)
        for name in (
            "min_duration_ms",
            "max_duration_ms",
            "min_query_count",
            "max_query_count",
            "qsl_rng_seed",
            "sample_index_rng_seed",
            "schedule_rng_seed",
            "performance_sample_count_override",
            "sample_concatenate_permutation",
            "server_target_qps",
            "server_target_latency_ns",
            "server_target_latency_percentile",
            "server_coalesce_queries",
            "offline_expected_qps",
            "single_stream_expected_latency_ns",
            "single_stream_target_latency_percentile",
            "use_token_latencies",
        )
        if hasattr(settings, name)  # earlier releases of LoadGen do not show all of theirs
    }
    if settings.use_token_latencies and settings.scenario == lg.TestScenario.Server:
        shown |= {
            "server_ttft_latency_ns": settings.ttft_latency,
            "server_tpot_latency_ns": settings.tpot_latency,
        }
    return shown | {"scenario": settings.scenario.name, "mode": settings.mode.name}


def run(job: LoadGenJob, control: socket.socket) -> None:
    """Run LoadGen once."""
    os.umask(0o077)  # LoadGen's log of an accuracy run holds the answers
    settings = make_settings(job)
    tell(control, event="settings", version=version("mlcommons-loadgen"), settings=effective(settings))
    workers = [inherited_socket(fd) for fd in job.worker_fds]
    files = {path: WrittenFile(path) for path in (job.records, job.errors, job.sampled) if path}
    sample = AnswerSample(files.get(job.sampled), job.sampled_share, job.answers)
    sut = SystemUnderTest(
        workers,
        job.endpoints,
        files[job.records],
        files[job.errors],
        sample,
        os.environ.get(job.api_key_env or ""),
        token_latencies=settings.use_token_latencies,
        wants_first_tokens=job.first_tokens,
    )
    try:
        sut.await_workers()
    except EOFError as error:
        raise RefusedError(str(error)) from None
    failures = Failures(sut, control, job.out)
    collector = Collector(sut, control, failures)
    collector.start()

    def load(_indices: list[int]) -> None:
        read_into_page_cache(Path(job.store) / BODIES_FILE)
        if job.in_flight:
            sut.open_connections()
        tell(control, event="started")

    handle = lg.ConstructFastSUT(failures.guarded("issuing requests", sut.issue), _nothing)
    loaded = failures.guarded("reading the requests", load)
    qsl = lg.ConstructQSL(job.samples, job.samples, loaded, _nothing_with)
    log = lg.LogSettings()
    log.enable_trace = False
    log.log_output.outdir = job.out
    lg.StartTestWithLogSettings(handle, qsl, settings, log, job.audit)
    collector.stop()
    tell(
        control,
        event="done",
        issued=sut.issued,
        completed=sut.completed,
        failed={outcome.label: count for outcome, count in sut.failed.items() if count},
        aborted=sut.aborted,
        backlogs=[link.backlog.decode() for link in sut.links],
        files={Path(path).name: msgspec.structs.asdict(file.close()) for path, file in files.items()},
    )


def _nothing() -> None:
    """Handle LoadGen's flush: nothing to do, every query is sent at once."""


def _nothing_with(_indices: list[int]) -> None:
    """Handle LoadGen's unloading of samples: nothing to do, the page cache may keep them."""


def main() -> None:
    """Run LoadGen; the job is the only argument, as JSON."""
    job = msgspec.json.decode(sys.argv[1], type=LoadGenJob)
    control = inherited_socket(job.control_fd)
    try:
        die_with_parent(job.parent)
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        gc.disable()  # nothing here makes cycles
        sleep_precisely()  # as LoadGen does until a query is due
        run(job, control)
    except RefusedError as error:
        tell(control, event="refused", reason=str(error))
    except Exception as error:
        tell_failure(control, PROCESS, "driving LoadGen", error, job.out)
        return
    # The parent now reads what this process cost, and closes the socket.
    control.recv(1)


if __name__ == "__main__":
    main()
