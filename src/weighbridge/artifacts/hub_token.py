"""Which environment variable holds the token for the hub; the hub's packages need not be installed."""

import os

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGINGFACE_HUB_TOKEN")


def token_variable() -> str | None:
    """Return the name of the environment variable with a token for the hub; None: none is set."""
    return next((name for name in TOKEN_VARIABLES if os.environ.get(name)), None)
