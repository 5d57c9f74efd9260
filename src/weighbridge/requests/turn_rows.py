"""Rows of the turns table of a workload's store, and a summary of what was drawn."""

import numpy as np

from weighbridge.records.workload_manifest import Drawn
from weighbridge.requests.conversations import DrawnConversation, DrawnConversations
from weighbridge.requests.turns import Turns


def row_of(
    conversation: DrawnConversation, turn: int, request: int, slice_: int, size: int
) -> tuple[object, ...]:
    """Return a request's row; the share of its prefix is added later."""
    part, number = conversation.part, conversation.number
    return (
        request,
        slice_,
        part.first + number,
        turn,
        int(part.phase),
        len(conversation.images[turn]),
        part.due[number],
        part.think[turn, number],
        part.output[turn, number],
        size,
        0.0,
    )


def add_prefix_shares(
    conversations: DrawnConversations, conversation: DrawnConversation, rows: Turns
) -> None:
    """Set which share of each prompt's text is the shared prefix; an image's tokens are not counted."""
    if conversation.prefix is None:
        return
    live = conversations.workload.history == "live"
    said = [text for each in conversation.exchanges for text in (each.question, each.answer)]
    prefix, *lengths = conversations.texts.count([conversation.prefix, *said])
    total = prefix
    for turn, row in enumerate(rows):
        total += lengths[2 * turn]
        row["prefix_share"] = prefix / max(total, 1)
        total += int(row["target_tokens"]) if live else lengths[2 * turn + 1]


def summary_of(rows: Turns, conversations: DrawnConversations) -> dict[str, Drawn]:
    """Return how each quantity is distributed over all requests or conversations of a store."""
    turns = np.concatenate([part.turns for parts in conversations.parts for part in parts])
    quantities = {
        "turns": turns,
        "images": rows["images"],
        "output_tokens": rows["target_tokens"],
        "think_time_s": rows["think_s"][rows["turn"] > 0],
        "body_bytes": rows["body_bytes"],
    }
    return {
        name: Drawn(
            mean=float(np.mean(values)),
            smallest=float(np.min(values)),
            p50=float(np.percentile(values, 50)),
            p99=float(np.percentile(values, 99)),
            largest=float(np.max(values)),
        )
        for name, values in quantities.items()
        if len(values)
    }
