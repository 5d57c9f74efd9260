"""Servers that are kept for the next use."""

from pathlib import Path

from test_serving import settings

from weighbridge.serving.keeping import Keeping
from weighbridge.serving.running_server import running_server


def keeping(folder: Path, label: str = "offline performance", keep_s: float = 0) -> Keeping:
    return Keeping(folder / "lives", label, "results/offline/performance", "0" * 64, keep_s, lambda: True)


def test_a_use_has_its_life_and_a_log_of_its_own(tmp_path: Path) -> None:
    with running_server(settings(), tmp_path, keeping(tmp_path), forbidden=()) as running:
        assert running.life is not None
        folder = tmp_path / "lives" / running.life.id
        [server] = running.processes
        assert server.launch.log == folder / "server.log"
        with server.launch.log.open("a") as stream:
            stream.write("during the run\n")
        running.copy_logs(tmp_path / "server.log")
    assert running.life.number == 1
    said = (tmp_path / "server.log").read_text()
    assert said == (folder / "server.log").read_text()
    assert said.endswith("during the run\n")
