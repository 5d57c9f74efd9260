"""Whole runs against the faulty server, one a seed, checked against the server's own log."""

import random
import shutil
from pathlib import Path

from injection.actions import Schedule
from injection.commands import Zygote
from injection.history import complaints_of_history
from injection.matrix import Row
from injection.oracle import complaints_of_ended, complaints_of_files, outcome
from injection.world import World
from weighbridge.records.run_record import RUN_RECORD, RunRecord

_GROUP = "seeded schedules of a faulty server"
_EXPECTED = "each request has the outcome of what the server did; VALID only if all were answered"
REQUEST_LIMIT_S = 1.0


def try_seed(zygote: Zygote, world: World, out: Path, seed: int) -> Row:
    """Make one run against the schedule of a seed."""
    server = world.server
    draw = random.Random(seed)
    mode = draw.choice(("performance", "accuracy"))
    faults = draw.choice((0.0, 0.0, 0.05, 0.2, 0.6))
    schedule = Schedule(seed, faults)
    shutil.rmtree(out, ignore_errors=True)
    server.begin(schedule.action)
    client = {"request_timeout_s": REQUEST_LIMIT_S, "connections": draw.choice((2, 8, 40))}
    command = world.run(out, mode, client=client)
    ended = zygote.run(command)
    log = list(server.log)
    server.hang_up()
    found = complaints_of_ended(ended) + complaints_of_files(out)
    fault = f"seed {seed}: {mode}, {faults:.0%} of the answers are faulty"
    if not (out / RUN_RECORD).is_file():
        # Every schedule lets a run come to its end: whatever is answered fails one request at most.
        return Row(_GROUP, fault, _EXPECTED, f"exit {ended.code}", (*found, "no run.json"))
    found += complaints_of_history(out, log, world.truth, mode == "accuracy")
    verdict = outcome(world, out, mode)
    failures = RunRecord.read(out / RUN_RECORD).load.failures
    proper = not failures and not any(seen.cut for seen in log)
    if verdict == "VALID" and not proper:
        found.append(f"VALID with {failures} failures and {sum(seen.cut for seen in log)} cut answers")
    if verdict != "VALID" and proper:
        found.append(f"{verdict}, though every request was answered")
    seen = f"{verdict.partition(':')[0]}, {failures} of {len(log)} failed"
    return Row(_GROUP, fault, _EXPECTED, seen, tuple(found))
