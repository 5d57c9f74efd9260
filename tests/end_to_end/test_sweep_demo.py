"""Comparisons on the real vLLM, in short: prefix caching is found to be faster, with its reuse beside it.

The full forms, with the baseline as systems of its own, are `make sweep-demo` and `make sweep-proofs`.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from demo_run import BIN, ROOT, need_vllm
from snakemake.utils import update_config

from weighbridge.config.settings import Settings
from weighbridge.records.comparison import SweepComparison
from weighbridge.serving.running_server import running_server

pytestmark = pytest.mark.vllm

# Three quarters of each prompt are the same. Answers are long enough for a client on the same cores.
OPTIONS = (
    *("--levels=8", "--blocks=6", "--seconds=3", "--output=8", "--aa"),
    *("--prompt-tokens=110", "--shared-prefix=400", "--tokenizer=demo/model"),
)
ARGUMENTS = ("--max-model-len=1024", "--enable-prompt-tokens-details")

# Of reasons that say so of the client and its machine, and not of the servers.
CLIENT_TOO_LATE = re.compile("keep other work off them|the client disturbed")


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve the demo's model without and with prefix caching; yield the URLs."""
    need_vllm()
    folder = tmp_path_factory.mktemp("servers")
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "demo" / "config.yaml").read_text()))
    server = Settings.parse(config, "configuration", context={"root": ROOT}).server
    kept = [argument for argument in server.args if not argument.startswith("--max-model-len")]
    with ExitStack() as stack:
        found = {}
        for name, switch in (("off", "--no-enable-prefix-caching"), ("on", "--enable-prefix-caching")):
            changed = {
                "args": (*kept, *ARGUMENTS, switch),
                # With it vLLM empties its caches when asked.
                "env": server.env | {"VLLM_SERVER_DEV_MODE": "1"},
            }
            settings = server.model_copy(update=changed)
            running = running_server(settings, ROOT / "demo" / "model", folder / f"{name}.log", forbidden=())
            [found[name]] = stack.enter_context(running).endpoints
        yield found


def test_prefix_caching_is_faster_and_a_second_copy_is_not(endpoints: dict[str, str], tmp_path: Path) -> None:
    systems = [f"{name}={url}" for name, url in endpoints.items()]
    command = [BIN / "weighbridge", "bench", *systems, *OPTIONS, f"--out={tmp_path / 'result'}"]
    done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 4), done.stderr
    compared = SweepComparison.read(tmp_path / "result" / "comparison.json")
    rows = {row.system: row for row in compared.rows}
    refused = [reason for row in compared.rows for reason in row.reasons]
    assert [reason for reason in refused if not CLIENT_TOO_LATE.search(reason)] == []
    measured = [row.speed_up for row in compared.rows if row.speed_up is not None and row.speed_up.blocks > 2]
    if len(measured) < len(rows):
        pytest.skip("this machine had too much other work: in most blocks the client was late")
    assert rows["on"].result == "faster", done.stdout
    assert "on is faster than off: " in done.stdout, done.stdout
    [cell] = compared.cells
    # Of some 530 tokens the first 384 are whole blocks of the cache, which have 128 tokens each.
    assert cell.systems["off"].figures["reuse"].mean == pytest.approx(0, abs=0.01)
    assert cell.systems["on"].figures["reuse"].mean == pytest.approx(0.72, abs=0.05)
    noise = rows["A-A"].speed_up
    assert rows["A-A"].noise_floor
    assert noise is not None
    assert 0.8 < noise.ratio < 1.25
