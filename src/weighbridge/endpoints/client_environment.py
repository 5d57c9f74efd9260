"""The environment in which the official client's code runs: its source, no hub, no secret of the user."""

from collections.abc import Mapping
from pathlib import Path

# All else of the user's environment stays outside: keys, tokens, proxies of the hub, settings of Python.
_TAKEN = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")


def client_environment(tree: Path, home: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a process that runs code of the client's checkout.

    Args:
        tree: Top of the proven checkout.
        home: A folder of the process's own, for caches; they are never those of the user.
        inherited: The environment to take the harmless variables from.
    """
    taken = {name: inherited[name] for name in _TAKEN if name in inherited}
    return taken | {
        "PYTHONPATH": str(tree / "src"),
        "PYTHONUTF8": "1",
        "PYTHONSAFEPATH": "1",
        # Nothing is written into the checkout.
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TQDM_MININTERVAL": "10",
        # The client asks git for its commit, and git answers nobody but the owner of a checkout.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": str(tree),
    }
