"""The stored bodies of a conversation's requests: all of the JSON after the model's name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from weighbridge.config.workload import Workload
from weighbridge.core.openai_api import Api
from weighbridge.requests.conversations import DrawnConversation
from weighbridge.requests.image_sources import SentImage

_LIVE = b'{"role":"assistant","content":"'
"""An earlier answer that the server gives: its text goes after this."""
_LIVE_END = b'"}'


@dataclass(frozen=True)
class ConversationBodies:
    """A conversation's requests.

    Attributes:
        bodies: One body a turn.
        holes: Of each turn: the position in its body, and the turn whose answer goes there.
    """

    bodies: list[bytes]
    holes: list[list[tuple[int, int]]]


def bodies_of_conversation(workload: Workload, conversation: DrawnConversation) -> ConversationBodies:
    """Return the requests of a conversation, each with all turns before it.

    Raises:
        InputError: an image cannot be read.
    """
    part, number = conversation.part, conversation.number
    prefix = conversation.prefix
    if workload.api is Api.COMPLETIONS:
        question = conversation.exchanges[0].question
        prompt = question if prefix is None else f"{prefix}\n\n{question}"
        end = _parameters(workload, int(part.output[0, number]))
        return ConversationBodies([b'"prompt":' + msgspec.json.encode(prompt) + end], [[]])
    messages = [] if prefix is None else [msgspec.json.encode({"role": "system", "content": prefix})]
    answers: list[int] = []  # places of live answers among the messages
    bodies, holes = [], []
    for turn, exchange in enumerate(conversation.exchanges):
        messages.append(_user_message(workload, exchange.question, conversation.images[turn]))
        start = b'"messages":['
        bodies.append(
            start + b",".join(messages) + b"]" + _parameters(workload, int(part.output[turn, number]))
        )
        holes.append(_holes(messages, answers, len(start)))
        if workload.history == "live":
            answers.append(len(messages))
            messages.append(_LIVE + _LIVE_END)
        else:
            messages.append(msgspec.json.encode({"role": "assistant", "content": exchange.answer}))
    return ConversationBodies(bodies, holes)


def _holes(messages: list[bytes], answers: list[int], start: int) -> list[tuple[int, int]]:
    """Return where each answer goes: messages follow each other with a comma between."""
    found, position, turns = [], start, iter(range(len(answers)))
    for place, message in enumerate(messages):
        if place in answers:
            found.append((position + len(_LIVE), next(turns)))
        position += len(message) + 1
    return found


def _user_message(workload: Workload, question: str, images: list[SentImage]) -> bytes:
    if not images:
        return msgspec.json.encode({"role": "user", "content": question})
    ordered = images if workload.images_per_turn.order == "forward" else images[::-1]
    content: list[Mapping[str, Any]] = [{"type": "text", "text": question}]
    content += [{"type": "image_url", "image_url": {"url": image.url()}} for image in ordered]
    return msgspec.json.encode({"role": "user", "content": content})


def _parameters(workload: Workload, output_tokens: int) -> bytes:
    """Return the rest of a body after its prompt, with the brace that ends it."""
    values: dict[str, Any] = {"max_tokens": output_tokens}
    values |= workload.force_length.fields(output_tokens)
    values |= workload.sampling.model_dump(exclude_none=True)
    values["stream"] = workload.stream
    if workload.stream:
        values["stream_options"] = {"include_usage": True}
    return b"," + msgspec.json.encode(values)[1:]
