"""The kinds of answers that the load client reads, for tests that run for each of them."""

from typing import NamedTuple

from weighbridge.core.openai_api import AnswerKind, Api


class Kind(NamedTuple):
    """A request form, and what of its answers counts."""

    api: Api
    answers: AnswerKind

    @property
    def of_tokens(self) -> bool:
        """Whether token ids count."""
        return self.answers is AnswerKind.TOKENS

    @property
    def of_amount(self) -> bool:
        """Whether the amount of output alone counts."""
        return self.answers is AnswerKind.GENERATED


KINDS = [Kind(api, answers) for answers in AnswerKind for api in Api]
KIND_NAMES = [f"{kind.api}-{kind.answers}" for kind in KINDS]
LOADGEN_KINDS = [kind for kind in KINDS if not kind.of_amount]
CHAT = KINDS[0]
assert CHAT == (Api.CHAT, AnswerKind.TEXT)
