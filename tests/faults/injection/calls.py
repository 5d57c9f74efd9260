"""Fail the n-th call of each kind in each process of a command, for every n of a clean one."""

import errno

from injection.bench import Bench
from injection.commands import Ended
from injection.history import complaints_of_history
from injection.matrix import NEVER_REACHED, Row
from injection.oracle import EXPECTED, complaints_of_ended, complaints_of_run
from injection.shim import CallFault, Kind, Role
from injection.stages import Stage, begin, complaints_of_products
from injection.world import well
from weighbridge.records.run_record import RUN_RECORD

# Which errors each kind of call really meets; 0: half the bytes, which is no error at all.
ERRORS: dict[Kind, tuple[tuple[int, bool], ...]] = {
    Kind.WRITE: ((errno.ENOSPC, True), (errno.EIO, False), (0, False)),
    Kind.FSYNC: ((errno.EIO, False),),
    Kind.RENAME: ((errno.EIO, False), (errno.ENOSPC, True)),
    Kind.CREATE: ((errno.ENOSPC, True), (errno.EMFILE, False)),
    Kind.REMOVE: ((errno.EACCES, False),),
    Kind.SOCKET: ((errno.EMFILE, False),),
    Kind.CONNECT: ((errno.ECONNREFUSED, False),),
    Kind.SEND: ((errno.EPIPE, False), (0, False)),
    Kind.RECV: ((errno.ECONNRESET, False), (0, False)),
    Kind.EPOLL: ((errno.ENOMEM, False),),
    Kind.SPAWN: ((errno.EAGAIN, False),),
    Kind.EXEC: ((errno.ENOMEM, False),),
    Kind.THREAD: ((errno.EAGAIN, False),),
    Kind.PIPE: ((errno.EMFILE, False),),
    Kind.PRINT: ((errno.ENOSPC, True), (errno.EPIPE, False)),
}
_SKIPPED = {Kind.READ}  # thousands of imports; files of a run that cannot be read are faults of their own


def places(counts: dict[tuple[Role, Kind], int]) -> list[CallFault]:
    """Return every fault that a clean run with these counts has a place for."""
    return [
        CallFault(role, kind, nth, error, lasting)
        for (role, kind), total in sorted(counts.items())
        if kind in ERRORS
        for error, lasting in ERRORS[kind]
        for nth in range(1, total + 1)
    ]


def described(fault: CallFault) -> str:
    """Return the fault as the matrix names it."""
    what = errno.errorcode[fault.error] if fault.error else "half the bytes"
    lasting = " and all later" if fault.lasting else ""
    return f"{fault.role.name.lower()}: {fault.kind.name.lower()} {fault.nth}{lasting}: {what}"


def try_run(bench: Bench, fault: CallFault, mode: str) -> Row:
    """Make one run with one call failing, and say what was seen."""
    zygote, world, out = bench.zygote, bench.world, bench.fresh()
    world.server.begin(well)
    ended = zygote.run(world.run(out, mode), fault)
    log = list(world.server.log)
    world.server.hang_up()
    complaints = complaints_of_run(world, ended, out, mode)
    if ended.code == 0 and (out / RUN_RECORD).is_file():
        found = complaints_of_history(out, log, world.truth, mode == "accuracy", exact=False)
        complaints += [each for each in found if each not in complaints]
    return row(f"calls of {'an' if mode == 'accuracy' else 'a'} {mode} run", fault, ended, complaints)


def row(group: str, fault: CallFault, ended: Ended, complaints: list[str]) -> Row:
    """Return the matrix's row of one failed call."""
    seen = ended.seen if ended.hits else NEVER_REACHED
    return Row(group, f"{described(fault)} ({ended.place})", EXPECTED, seen, tuple(complaints))


def try_stage_call(bench: Bench, stage: Stage, fault: CallFault) -> Row:
    """Run a stage with one call failing; where it refuses, run it again without."""
    out = bench.fresh()
    command = begin(bench.world, stage, out)
    bench.world.server.begin(well)
    ended = bench.zygote.run(command, fault)
    complaints = complaints_of_ended(ended) + complaints_of_products(out, stage, finished=ended.code == 0)
    if ended.code != 0:
        again = bench.zygote.run(command, limit_s=60)
        complaints += [f"rerun: {each}" for each in complaints_of_ended(again, (0,))]
        complaints += [f"rerun: {each}" for each in complaints_of_products(out, stage, finished=True)]
    return row(f"calls of {stage.name}", fault, ended, list(dict.fromkeys(complaints)))
