"""A client for single requests that connects directly, with the certificates that the load client reads."""

import ssl
from functools import cache

import openai

_NO_KEY = "none"  # the OpenAI client insists on a key; servers without one ignore it


def direct_client(endpoint: str, api_key: str | None, timeout_s: float) -> openai.OpenAI:
    """Return a client that connects directly, as the load client does, whatever proxy the environment names.

    A proxy would answer in the server's place, or let a start wait until its time-out.
    """
    return openai.OpenAI(
        http_client=openai.DefaultHttpxClient(trust_env=False, verify=certificates()),
        base_url=f"{endpoint.removesuffix('/').removesuffix('/v1')}/v1",
        api_key=api_key or _NO_KEY,
        timeout=timeout_s,
        max_retries=0,
    )


@cache
def certificates() -> ssl.SSLContext:
    """Return the system's certificates, and those of SSL_CERT_FILE, as the load client reads them."""
    return ssl.create_default_context()
