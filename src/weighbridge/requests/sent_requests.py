"""What the client needs of requests, wherever they come from: a benchmark's store, or a workload's."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weighbridge.core.openai_api import AnswerKind, Api
from weighbridge.requests.sent_form import SentForm


class SentRequests(Protocol):
    """Requests in a folder with the files of `Bodies`, and how they are sent."""

    @property
    def path(self) -> Path:
        """The folder."""

    @property
    def api(self) -> Api:
        """The kind of request."""

    @property
    def model_name(self) -> str:
        """The name that the requests ask for; an answer by another model is a failure."""

    @property
    def answers(self) -> AnswerKind:
        """What of an answer counts."""

    @property
    def form(self) -> SentForm:
        """How they are sent."""

    def __len__(self) -> int:
        """Return how many there are."""

    def sent_sizes(self) -> NDArray[np.int64]:
        """Return the size of each body as it is sent, in bytes, shape (n,)."""
