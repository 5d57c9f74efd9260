"""Ask an endpoint for the models that it serves; where it does not answer, say why."""

import json
import ssl

import openai

from weighbridge.core.errors import SetupError
from weighbridge.core.secrets import mask
from weighbridge.serving.direct_client import direct_client


class NoAnswerError(SetupError):
    """Nothing answers at an endpoint now; later something may."""


def served_models(
    endpoint: str, api_key: str | None = None, key_option: str = "client.api_key_env"
) -> list[str] | None:
    """Return the names of the served models; None while nothing answers.

    Args:
        endpoint: Base URL of the server.
        api_key: Key to send, if any.
        key_option: What names the key's variable, for those whose key is refused.

    Raises:
        SetupError: the endpoint answers, but refuses the key or has no /v1/models.
    """
    try:
        return models_at(endpoint, api_key, key_option)
    except NoAnswerError:
        return None


def models_at(endpoint: str, api_key: str | None = None, key_option: str = "client.api_key_env") -> list[str]:
    """Return the names of the served models.

    Args:
        endpoint: Base URL of the server.
        api_key: Key to send, if any.
        key_option: What names the key's variable, for those whose key is refused.

    Raises:
        NoAnswerError: nothing answers, or the server is not ready; the message is the reason alone.
        SetupError: waiting does not help: the key or the certificate is refused, or it has no /v1/models.
    """
    with direct_client(endpoint, api_key, timeout_s=5) as client:
        try:
            # Whatever JSON comes, the library takes it for models.
            return [model.id for model in client.models.list() if isinstance(model.id, str)]
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            fault = "refuses the key" if api_key else "wants a key"
            raise SetupError(
                f"the server at {endpoint} {fault} (HTTP {error.status_code}); set {key_option} to the name "
                f"of the environment variable that holds {'its key' if api_key else 'it'}."
            ) from None
        except (openai.NotFoundError, json.JSONDecodeError, AttributeError, TypeError):
            raise SetupError(
                f"{endpoint} answers, but not /v1/models; is it an OpenAI-compatible server?"
            ) from None
        except openai.APIStatusError as error:
            raise NoAnswerError(f"HTTP {error.status_code} from /v1/models") from None
        except openai.APIConnectionError as error:
            raise _unreached(endpoint, error) from None
        except openai.APIError as error:
            raise NoAnswerError(mask(str(error), [api_key])) from None


def _unreached(endpoint: str, error: openai.APIConnectionError) -> SetupError:
    """Return why there was no HTTP answer: the innermost cause, which a person can act upon."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    if isinstance(cause, ssl.SSLCertVerificationError):
        return SetupError(
            f"the certificate of {endpoint} is not trusted ({cause.verify_message}); set SSL_CERT_FILE to "
            "the certificate of its authority, or use the name that it was issued for."
        )
    if isinstance(cause, ssl.SSLError):
        return SetupError(
            f"{endpoint} does not speak TLS ({cause.reason or cause}); write http:// if it serves plainly."
        )
    if isinstance(error, openai.APITimeoutError):
        return NoAnswerError("no answer within 5 s")
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return NoAnswerError(str(reason).rstrip("."))
