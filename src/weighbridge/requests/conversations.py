"""Conversations of a workload with their texts and images, in the order in which the store has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.workload import Workload
from weighbridge.core.errors import InputError
from weighbridge.records.sweep_plan import Used
from weighbridge.records.workload_manifest import Taken
from weighbridge.requests.arrivals import trace_file
from weighbridge.requests.draws import generator, repeat_share
from weighbridge.requests.image_sources import FolderImages, Images, MadeUpImages, SentImage
from weighbridge.requests.slice_draws import SliceDraws, SlicePart, SliceSpec
from weighbridge.requests.synthetic_text import SyntheticText
from weighbridge.requests.text_sources import Exchange, MadeUpTexts, RecordedTexts, Texts


@dataclass(frozen=True)
class DrawnConversation:
    """One conversation, complete but for its images' bytes.

    Attributes:
        part: The draws that it belongs to.
        number: Its place among them.
        exchanges: Its texts, one exchange a turn.
        images: Its images, one list a turn.
        prefix: Text of its shared prefix; None: it has none.
    """

    part: SlicePart
    number: int
    exchanges: tuple[Exchange, ...]
    images: tuple[list[SentImage], ...]
    prefix: str | None


class DrawnConversations:
    """The conversations of the slices of one store.

    Attributes:
        parts: By slice, what is drawn of each phase.
        taken: What is taken without replacement, by source.
        used: What this store and those before it have taken.
        texts: Makes and counts synthetic texts.
    """

    def __init__(
        self, workload: Workload, slices: Sequence[SliceSpec], skip: Used, tokenizer: Path | None
    ) -> None:
        """Draw all numbers, and check that there is enough of what is drawn without replacement.

        Raises:
            InputError: there is not, or a source cannot be read.
        """
        self.workload, draws = workload, SliceDraws(workload)
        self.parts = [draws.parts(each, skip.conversations) for each in slices]
        self._all = [part for parts in self.parts for part in parts]
        self.texts = SyntheticText(workload.source.text.tokenizer or tokenizer)
        self._lines = _text_source(workload, draws.turns.largest, skip.texts, self.texts)
        self._images = self._image_source(skip.images)
        wants_images = any(int(part.images[part.sent].sum()) for part in self._all)
        self._of_line = (
            wants_images
            and isinstance(self._lines, RecordedTexts)
            and self._lines.together
            and isinstance(self._images, FolderImages)
        )
        if self._of_line:
            self._keep_lines_with_images()
        needs_texts = sum(self._lines.needed(part.turns) for part in self._all)
        needs_images = 0
        if isinstance(self._images, FolderImages) and not self._of_line:
            needs_images = sum(int(part.images[part.sent].sum()) for part in self._all)
        self.used = Used(
            conversations=skip.conversations + sum(len(part.turns) for part in self._all),
            images=skip.images + needs_images,
            texts=skip.texts + needs_texts,
        )
        self.taken = dict(self._taken())

    def __iter__(self) -> Iterator[DrawnConversation]:
        """Yield the conversations, slice by slice; each once, as texts and images are taken in order."""
        for part in self._all:
            for number in range(len(part.turns)):
                yield self._conversation(part, number)

    def sources(self, slices: Sequence[SliceSpec]) -> list[Path]:
        """Return the files that the texts, numbers and times came from."""
        given = self.workload
        drawn_from = [
            given.turns,
            given.output_tokens,
            given.think_time_s,
            given.images_per_turn.first,
            given.images_per_turn.later,
            given.source.text.tokens,
            *([given.source.images.pixels, given.source.images.aspect] if given.source.images else []),
        ]
        files = [given.source.text.path, self.texts.file, *(each.empirical for each in drawn_from)]
        return sorted({file for file in (*files, *(trace_file(each.level) for each in slices)) if file})

    def _conversation(self, part: SlicePart, number: int) -> DrawnConversation:
        line = self._lines.next(part, number)
        images: list[list[SentImage]] = []
        for turn in range(int(part.turns[number])):
            count = int(part.images[turn, number])
            if not count:
                images.append([])
            elif self._of_line:
                assert isinstance(self._images, FolderImages)
                path = self._images.find(line.image or "")
                assert path is not None
                images.append([self._images.sent(path)])
            else:
                assert self._images is not None
                images.append(self._images.next(part, turn, count))
        group = int(part.prefix[number])
        return DrawnConversation(part, number, line.exchanges, tuple(images), self._prefix(group))

    def _prefix(self, group: int) -> str | None:
        shared = self.workload.shared_prefix
        if shared is None or group < 0:
            return None
        return self.texts.make(generator(self.workload.seed, "prefix_text", group), shared.tokens)

    def _image_source(self, skip: int) -> Images | None:
        source = self.workload.source.images
        if source is None:
            return None
        return MadeUpImages(source) if source.kind == "synthetic" else FolderImages(self.workload, skip)

    def _keep_lines_with_images(self) -> None:
        """Keep the lines whose image the folder has; a conversation then has that one, in its first turn."""
        assert isinstance(self._lines, RecordedTexts)
        assert isinstance(self._images, FolderImages)
        more = any(part.images[:1].max(initial=0) > 1 or part.images[1:].any() for part in self._all)
        if more:
            raise InputError(
                f"workload {self.workload.name}: a line of {self._lines.path} has one image, and "
                "'images_per_turn' asks for more; use 'pairing: independent'."
            )
        found = [name is not None and self._images.find(name) is not None for name in self._lines.images()]
        self._lines.restrict(found)
        if not any(found):
            raise InputError(
                f"{self._images.folder}: has no image that a line of {self._lines.path} names; name the "
                "folder that its images were unpacked to."
            )

    def _taken(self) -> Iterator[tuple[str, Taken]]:
        images = None if self._images is None or self._of_line else self._images.available
        for name, available, needed in (
            ("images", images, self.used.images),
            ("texts", self._lines.available, self.used.texts),
        ):
            if not available:
                continue
            if needed > available and self.workload.image_reuse == "forbidden":
                raise InputError(
                    f"workload {self.workload.name}: {needed} {name} are needed, so that none occurs twice, "
                    f"and there are {available}; shorten the runs, add {name}, or set 'image_reuse: allowed' "
                    "(of bench: --reuse)."
                )
            yield (
                name,
                Taken(available=available, needed=needed, repeat_share=repeat_share(available, needed)),
            )


def _text_source(workload: Workload, most_turns: float, skip: int, texts: SyntheticText) -> Texts:
    if workload.source.text.kind == "synthetic":
        return MadeUpTexts(workload, texts)
    return RecordedTexts(workload, most_turns, skip)
