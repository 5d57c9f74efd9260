"""Helpers for tests of whole runs: a simulated server, and `weighbridge run` against it."""

import json
from pathlib import Path

import yaml
from driving import small_store

from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.scenario_rules import Mode
from weighbridge.config.server_settings import ServerSettings

HASH = "0" * 64


def run_command(
    folder: Path, url: str, *, samples: int, target_qps: float, duration_s: float, out: Path
) -> list[str]:
    """Write the inputs of a Server performance run below `folder`, and return its command line."""
    rules = {"min_duration_s": duration_s, "min_query_count": samples}
    round_file, proof = folder / "round.yaml", folder / "model.json"
    round_file.write_text(
        yaml.safe_dump({"extends": "demo", "samples": samples, "scenarios": {"server": rules}})
    )
    proof.write_text(
        json.dumps(
            {"kind": "model", "folder": str(folder), "repo": None, "revision": None}
            | {"manifest_digest": HASH, "files": []}
        )
    )
    server = ServerSettings(model_name="tiny", endpoints=(url,), warmup_requests=1)
    options: dict[str, object] = {
        "scenario": "server",
        "mode": Mode.PERFORMANCE,
        "round": round_file,
        "target-qps": target_qps,
        "server": server.model_dump_json(),
        "client": ClientSettings(workers=1).model_dump_json(),
        "model": proof,
        "store": small_store(folder / "store", samples),
        "out": out,
    }
    return ["run", *(word for name, value in options.items() for word in (f"--{name}", str(value)))]
