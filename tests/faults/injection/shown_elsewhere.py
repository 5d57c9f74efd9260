"""Faults that have tests of their own, because they need another server, another driver or no run at all."""

from dataclasses import dataclass
from pathlib import Path

from injection.matrix import Row

TESTS = Path(__file__).parents[2]
GROUP = "faults found by hand"


@dataclass(frozen=True)
class Named:
    """A fault, the number of its row, and the file of the tests that show it."""

    number: int
    fault: str
    tests: str

    def attempt(self, _bench: object) -> Row:
        """Return the row; it is wrong if there is no such file."""
        found = () if (TESTS / self.tests).is_file() else ("there is no such test",)
        return Row(GROUP, f"{self.number}: {self.fault}", "shown by a test", f"tests/{self.tests}", found)


NAMED: tuple[Named, ...] = (
    Named(3, "whoever dies, however: the server and all that it started end", "integration/test_guard.py"),
    Named(6, "a stranger answers on the server's port", "integration/test_strangers.py"),
    Named(6, "the listening socket is not the started process's", "unit/test_listeners.py"),
    Named(10, "the real rounds are pinned by their hashes", "unit/test_rounds.py"),
    Named(11, "arguments and variables that bring back a cache, or load code", "unit/test_task_options.py"),
    Named(12, "the environments of a scenario's two runs differ", "unit/test_server_environment.py"),
    Named(
        13,
        "proxies in the environment, however a server is asked",
        "integration/test_proxies.py",
    ),
    Named(15, "a signal to Snakemake alone, or to its group", "workflow/test_interrupted.py"),
    Named(16, "secrets in arguments, variables, answers and logs", "unit/test_secrets.py"),
    Named(17, "results edited consistently", "unit/test_gates_conservation.py"),
    Named(17, "one byte of a run's evidence changed", "unit/test_evidence_rules.py"),
    Named(18, "settings and rounds made up by a fuzzer", "unit/test_fuzz_settings.py"),
    Named(18, "result files damaged by a fuzzer", "unit/test_fuzz_results.py"),
)
