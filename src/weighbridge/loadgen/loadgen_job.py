"""The job of LoadGen's process.

That process imports this module, and so neither pydantic nor the models of settings and records, whose import
would cost it 13 MB and 0.1 s.
"""

from weighbridge.client.frames import DriverJob
from weighbridge.core.openai_api import AnswerKind


class LoadGenJob(DriverJob, frozen=True, kw_only=True):
    """LoadGen's process.

    Attributes:
        api_key_env: Name of the variable with the key that the workers send, which no file may hold.
        audit: Path of the audit.config that LoadGen is to follow; "": none, wherever one lies.
        answers: What of an answer the workers return.
        sampled: File for a share of the answers; "": none are kept.
        sampled_share: The probability with which an answer is kept.
    """

    model: str
    scenario: str
    accuracy: bool
    seeds: dict[str, int]
    samples: int
    store: str
    user_conf: str
    api_key_env: str | None = None
    audit: str = ""
    answers: AnswerKind = AnswerKind.TEXT
    sampled: str = ""
    sampled_share: float = 1.0
