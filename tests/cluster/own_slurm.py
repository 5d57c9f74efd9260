"""A real Slurm of two nodes on one machine, for the length of a test session.

Debian's slurmctld, slurmd and munged, all in one folder, as root, without cgroups and without a database.
The nodes pretend to be the large ones that profiles/slurm asks for: CPUs and memory that are not there, and
GPUs that are device files with nothing behind them, for which Slurm sets CUDA_VISIBLE_DEVICES all the same.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.serving.ports import free_ports

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
NODES = ("weigh1", "weigh2")
GPUS_PER_NODE = 8
# srun looks here when its environment says nothing, as it does within Snakemake's jobs.
SYSTEM_CONFIGURATION = Path("/etc/slurm/slurm.conf")
_READY_TIMEOUT_S = 30


@dataclass(frozen=True)
class Slurm:
    """A cluster that takes jobs."""

    folder: Path

    def ask(self, *command: str) -> str:
        """Run one of Slurm's programs and return what it prints."""
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    def jobs(self) -> list[str]:
        """List jobs that wait or run, as 'id state'."""
        return self.ask("squeue", "--noheader", "--format=%i %T").splitlines()

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left."""
        for job in self.jobs():
            subprocess.run(["scancel", job.split()[0]], check=False)
        self.await_idle()

    def await_idle(self) -> None:
        """Wait until no job is left, or complain."""
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while self.jobs():
            assert time.monotonic() < deadline, self.jobs()
            time.sleep(0.2)


@contextlib.contextmanager
def running_slurm(folder: Path) -> Iterator[Slurm]:
    """Bring a cluster up in a folder, and take it down without a trace."""
    folder.mkdir(parents=True)
    configuration = _configure(folder)
    processes: list[subprocess.Popen[bytes]] = []
    SYSTEM_CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    SYSTEM_CONFIGURATION.symlink_to(configuration)
    try:
        processes.append(_start(folder, "munged", "--foreground", *_munge(folder)))
        _await(lambda: (folder / "munge.socket").exists(), "munged")
        processes.append(_start(folder, "slurmctld", "-D", "-f", str(configuration), "-c"))
        processes.extend(
            _start(folder, "slurmd", "-D", "-f", str(configuration), "-N", node, "-c") for node in NODES
        )
        _await(_all_idle, "slurmd")
        slurm = Slurm(folder)
        yield slurm
        slurm.cancel_all()
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(30)
        SYSTEM_CONFIGURATION.unlink()


def _configure(folder: Path) -> Path:
    ports = free_ports(1 + len(NODES))
    devices = folder / "dev"
    devices.mkdir()
    for number in range(GPUS_PER_NODE):
        os.mknod(devices / f"nvidia{number}", 0o666 | 0o020000, os.makedev(195, number))
    for name in ("state", *(f"spool-{node}" for node in NODES)):
        (folder / name).mkdir()
    (folder / "gres.conf").write_text(
        f"AutoDetect=off\nName=gpu Type=h100 File={devices}/nvidia[0-{GPUS_PER_NODE - 1}]\n"
    )
    host = socket.gethostname().split(".")[0]
    nodes = "\n".join(
        f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=64 RealMemory=600000 "
        f"Gres=gpu:h100:{GPUS_PER_NODE} State=UNKNOWN"
        for node, port in zip(NODES, ports[1:], strict=True)
    )
    path = folder / "slurm.conf"
    path.write_text(f"""\
ClusterName=weighbridge
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=2
MailProg=/bin/true
MinJobAge=3600
KillWait=10
GresTypes=gpu
ReturnToService=2
{nodes}
PartitionName=cpu Nodes={",".join(NODES)} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
PartitionName=gpu Nodes={",".join(NODES)} MaxTime=INFINITE State=UP OverSubscribe=NO
""")
    return path


def _munge(folder: Path) -> list[str]:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    files = {"key-file": key, "socket": folder / "munge.socket", "pid-file": folder / "munged.pid"}
    files |= {"log-file": folder / "munged.log", "seed-file": folder / "munged.seed"}
    # --force: the folder above may be writable by others, as temporary folders are.
    return ["--force", *(f"--{name}={path}" for name, path in files.items())]


def _start(folder: Path, *command: str) -> subprocess.Popen[bytes]:
    program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert program is not None
    with (folder / f"{command[0]}.out").open("ab") as output:
        return subprocess.Popen(
            [program, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def _all_idle() -> bool:
    answer = subprocess.run(
        ["sinfo", "-h", "-N", "-p", "cpu", "-o", "%T"], capture_output=True, text=True, check=False
    )
    return answer.stdout.split() == ["idle"] * len(NODES)


def _await(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready within {_READY_TIMEOUT_S} s")
        time.sleep(0.1)
