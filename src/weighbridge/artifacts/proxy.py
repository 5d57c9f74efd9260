"""Check the proxy on the way to a source of artifacts, before anything is asked."""

import os

import httpx2
from huggingface_hub import get_session

from weighbridge.core.errors import SetupError
from weighbridge.core.secrets import mask

_PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY")


def check_proxy() -> None:
    """Check that the proxy that the environment names can be used at all.

    Raises:
        SetupError: its address is none, or its kind needs a package that is missing, as SOCKS does.
    """
    try:
        get_session()  # reads the variables, and makes the client
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        names = [name for known in _PROXIES for name in (known, known.lower()) if os.environ.get(name)]
        socks = "; install it (pip install socksio)" if isinstance(error, ImportError) else ""
        raise SetupError(
            f"the proxy in {' and '.join(names) or 'the environment'} cannot be used "
            f"({mask(str(error)).rstrip('.')}){socks}; correct the variable, or unset it."
        ) from error
