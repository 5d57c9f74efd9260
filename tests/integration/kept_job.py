"""A job that uses servers which may be kept, as a program: says what it has, and ends as it is told.

kept_job.py FOLDER SETTINGS    its orders come over the socket FOLDER/orders: leave, fail
"""

import json
import os
import socket
import sys
from pathlib import Path

from weighbridge.config.server_settings import ServerSettings
from weighbridge.serving.keeping import Keeping
from weighbridge.serving.running_server import running_server

folder = Path(sys.argv[1])
settings = ServerSettings.parse_json(sys.argv[2], "test")
keeping = Keeping(folder / "lives", "a run", "results/run", "0" * 64, settings.keep_s, lambda: True)
with (
    socket.socket(socket.AF_UNIX) as orders,
    running_server(settings, folder, keeping, forbidden=()) as running,
):
    orders.connect(str(folder / "orders"))
    assert running.life is not None
    servers = [server.pid for server in running.processes]
    said = {"job": os.getpid(), "guard": running.processes[0].group.guard_pid, "servers": servers}
    orders.sendall(json.dumps(said | {"number": running.life.number}).encode())
    if orders.recv(16) != b"leave":
        raise RuntimeError("as it was told")
