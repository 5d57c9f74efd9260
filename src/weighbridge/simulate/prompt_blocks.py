"""The prompt in a request's body, without parsing the JSON: its tokens, and those that a prefix cache has."""

from collections.abc import Iterator

TEXT_BYTES_PER_TOKEN = 4
IMAGE_BYTES_PER_TOKEN = 192  # of base64: about 600 tokens for a JPEG file of half a megapixel
BLOCK_TOKENS = 16  # as in vLLM
_BLOCK_BYTES = BLOCK_TOKENS * TEXT_BYTES_PER_TOKEN
_MODEL = b'{"model":'
_MODEL_END = b'",'
_STARTS = (b'"messages":', b'"prompt":')
_IMAGE = b'"data:image/'


def without_model(body: bytes) -> memoryview:
    """Return a body without the model's name at its start, which differs between systems."""
    view = memoryview(body)
    if not body.startswith(_MODEL):
        return view
    end = body.find(_MODEL_END)
    return view if end < 0 else view[end + len(_MODEL_END) :]


def prompt_tokens(body: bytes) -> int:
    """Return a number of tokens that grows with the prompt's text and images, at least 1.

    Two servers count the same, whatever the model's name. The JSON around the texts counts, as a chat
    template does.
    """
    text = images = 0
    for start, stop, image in _segments(body):
        if image:
            images += (stop - start) // IMAGE_BYTES_PER_TOKEN
        else:
            text += stop - start
    return max(1, images + text // TEXT_BYTES_PER_TOKEN)


class PrefixCache:
    """Remembers the beginnings of prompts in blocks of 16 tokens; an image is a block of its own."""

    def __init__(self) -> None:
        """Start empty."""
        self._known: set[int] = set()

    def clear(self) -> None:
        """Forget all prompts."""
        self._known.clear()

    def add(self, body: bytes) -> int:
        """Remember a prompt; return how many tokens of its beginning were known."""
        cached, chain, hit = 0, 0, True
        for block, tokens in _blocks(body):
            chain = hash((chain, block))
            hit = hit and chain in self._known
            if hit:
                cached += tokens
            else:
                self._known.add(chain)
        return cached


def _blocks(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the full blocks of a prompt, each with its number of tokens."""
    for start, stop, image in _segments(body):
        if image:
            yield body[start:stop], (stop - start) // IMAGE_BYTES_PER_TOKEN
            continue
        for at in range(start, stop - _BLOCK_BYTES + 1, _BLOCK_BYTES):
            yield body[at : at + _BLOCK_BYTES], BLOCK_TOKENS


def _segments(body: bytes) -> Iterator[tuple[int, int, bool]]:
    """Yield start and end of each text and image of a prompt in the body; True: an image."""
    at, end = _bounds(body)
    while (image := body.find(_IMAGE, at, end)) >= 0:
        yield at, image, False
        close = body.find(b'"', image + len(_IMAGE), end)
        at = end if close < 0 else close
        yield image, at, True
    yield at, end, False


def _bounds(body: bytes) -> tuple[int, int]:
    """Return where the prompt starts and ends: the list of messages, or the text from the prompt on."""
    for field in _STARTS:
        if (start := body.find(field)) >= 0:
            end = body.rfind(b"}]") if field is _STARTS[0] else -1
            return start + len(field), end if end > start else len(body)
    return 0, len(body)
