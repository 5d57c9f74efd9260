"""Checks of how the requests are built, where the closed division fixes it."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from weighbridge.config.request_settings import RequestSettings, Sampling
from weighbridge.config.round import Round
from weighbridge.core.formatting import value_text
from weighbridge.core.openai_api import Api
from weighbridge.records.run_record import RunRecord
from weighbridge.records.store_manifest import StoreManifest
from weighbridge.records.verdict import Check, Gate

_SHOWN_DIGITS = 12  # of a hash
# Fields of a body beside the sampling parameters; guided decoding has a check of its own.
_OTHER_FIELDS = {"model", *(api.prompt_field for api in Api), "response_format"}
_OTHER_FIELDS |= {"stream", "stream_options", "return_token_ids"}


class _Built(NamedTuple):
    """How requests were built, as one record tells it."""

    settings: RequestSettings
    body: dict[str, Any] | None
    """A body without its prompt; None: its text is no JSON."""


def request_checks(
    allowed: RequestSettings,
    store: StoreManifest | None,
    records: Sequence[RunRecord],
    round_: Round,
    pass_store: str,
) -> list[Check]:
    """Check sampling, images and guided decoding, by the settings and by the text of the bodies.

    Args:
        allowed: The only allowed settings; `stream` is free.
        store: The request store's manifest. None: only what the runs themselves recorded is known.
        records: run.json of the scenario's runs.
        round_: The round; its `max_tokens` holds where `allowed` has none.
        pass_store: The remedy where nothing but the store's manifest shows a setting.
    """
    gate = Gate(None)
    if store is not None:
        sent = {record.store_sha256 for record in records}
        gate.holds(
            "request store",
            " ".join(sorted(found[:_SHOWN_DIGITS] for found in sent)),
            store.bodies_sha256[:_SHOWN_DIGITS],
            sent == {store.bodies_sha256},
            "The manifest belongs to other requests than the runs sent; pass theirs, or repeat the runs.",
        )
    built = list(_built(store, records))
    known = store is not None or len(built) == len(records)
    sampling = allowed.sampling.model_copy(
        update={"max_tokens": allowed.sampling.max_tokens or round_.max_tokens}
    )
    sources = round_.closed.sources
    for name, key, faults, limit in (
        ("sampling", "sampling", [_sampling_faults(each, sampling) for each in built], _shown(sampling)),
        ("images", "picture", [_picture_faults(each, allowed) for each in built], allowed.picture),
        (
            "guided decoding",
            "guided_decoding",
            [_guiding_faults(each, allowed) for each in built],
            "on" if allowed.guided_decoding else "off",
        ),
    ):
        if not known:
            gate.unknown(name, limit, pass_store)
            continue
        found = list(dict.fromkeys(fault for each in faults for fault in each))
        source = sources.get(key) or sources.get("requests")
        gate.holds(
            name,
            "; ".join(found) or limit,
            limit,
            not found,
            f"The closed division fixes this{f' ({source})' if source else ''}; remove requests.{key} from "
            "the configuration and repeat both runs, or submit to the open division.",
        )
    return gate.checks


def _built(store: StoreManifest | None, records: Sequence[RunRecord]) -> Iterator[_Built]:
    if store is not None:
        yield _Built(store.settings, _body(store.prefix, store.suffix))
    for record in records:
        if record.requests is not None and record.envelope is not None:
            yield _Built(record.requests, _body(*record.envelope))


def _body(prefix: str, suffix: str) -> dict[str, Any] | None:
    """Return a request's body with null in place of its prompt."""
    try:
        body = json.loads(f"{prefix}null{suffix}")
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _sampling_faults(built: _Built, allowed: Sampling) -> Iterator[str]:
    """Compare the settings and, because these could be reported otherwise, what every body says."""
    wanted = allowed.model_dump()
    yield from _differing(built.settings.sampling.model_dump(), wanted)
    if built.body is None:
        yield "bodies that are no JSON"
        return
    yield from _differing({name: built.body.get(name) for name in wanted}, wanted)
    # Whatever else a server reads from a request, such as top_k or a processor's arguments.
    yield from (f"{name} is sent" for name in built.body if name not in {*_OTHER_FIELDS, *wanted})


def _differing(found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if value != wanted[name]:
            yield f"{name} {value_text(value)}"


def _picture_faults(built: _Built, allowed: RequestSettings) -> Iterator[str]:
    if built.settings.picture != allowed.picture:
        yield built.settings.picture


def _guiding_faults(built: _Built, allowed: RequestSettings) -> Iterator[str]:
    sent = built.body is not None and built.body.get("response_format") is not None
    for guided in (built.settings.guided_decoding, sent):
        if guided != allowed.guided_decoding:
            yield "on" if guided else "off"


def _shown(sampling: Sampling) -> str:
    said = [f"{name} {value_text(value)}" for name, value in sampling if value is not None]
    return ", ".join(said) or "no parameter set"
