"""Find the sample that a request is about, whatever stands around it: for bodies of other clients."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol


class ContentIndex(Protocol):
    """Finds the sample of a request by its content."""

    def sample_of(self, body: bytes) -> int | None:
        """Return the number of the sample that a request's body is about; None: it is about none."""
        ...


class _Nothing:
    """Finds no sample."""

    def sample_of(self, body: bytes) -> None:
        """Return None."""


class NoContentIndex:
    """Base class of a task whose requests nothing but our stores sends."""

    def content_index(
        self,
        dataset: Path,  # noqa: ARG002 - the protocol's
        splits: Sequence[str],  # noqa: ARG002
        bodies: Iterable[memoryview],  # noqa: ARG002
    ) -> ContentIndex:
        """Return an index that finds nothing."""
        return _Nothing()


def texts_in(value: object) -> Iterable[str]:
    """Yield the prompt's texts of a request's JSON: of its prompt, or of its messages and their parts."""
    match value:
        case {"prompt": str(prompt)}:
            yield prompt
        case {"messages": [*messages]}:
            for message in messages:
                yield from _said(message.get("content") if isinstance(message, dict) else None)


def _said(content: object) -> Iterable[str]:
    match content:
        case str():
            yield content
        case [*parts]:
            for part in parts:
                match part:
                    case {"text": str(text)}:
                        yield text
