"""Images of conversations: a folder's files, each once, or made-up JPEGs; and how a request names them."""

import base64
import io
import os
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import quote

import numpy as np
from PIL import Image, ImageChops

from weighbridge.config.workload import ImageSource, Workload
from weighbridge.core.errors import InputError
from weighbridge.requests.draws import Sampler, without_replacement
from weighbridge.requests.slice_draws import SlicePart

_KINDS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_NOISE = 24  # of 255; as JPEG, such an image is about as large as a photograph
_FAINT = [value * _NOISE // 256 for value in range(256)]
_MOST_PIXELS, _LONGEST_SIDE = 1 << 26, 65_500  # in memory, several times at once; of a JPEG
_COARSE = 16  # pixels of the gradients' grid


class SentImage(Protocol):
    """An image that a request carries; reading or making it may happen in another thread."""

    def url(self) -> str:
        """Return its URL as the request has it."""


class Images(Protocol):
    """Where images come from, in their order."""

    available: int | None
    """How many there are, none of which recurs; None: as many as are needed."""

    def next(self, part: SlicePart, turn: int, count: int) -> list[SentImage]:
        """Return the images of the next request."""


@dataclass(frozen=True)
class ImageFile:
    """A file of a folder.

    Attributes:
        path: The file.
        named: Its URL; None: a data URL of its own bytes.
    """

    path: Path
    named: str | None

    def url(self) -> str:
        """Return its URL.

        Raises:
            InputError: it cannot be read.
        """
        if self.named is not None:
            return self.named
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}).") from None
        return _data_url(_KINDS[self.path.suffix.lower()], content)


@dataclass(frozen=True)
class MadeImage:
    """An image of gradients and noise: the same seed, size and libraries, the same bytes."""

    seed: int
    width: int
    height: int
    quality: int

    def url(self) -> str:
        """Return its data URL."""
        stream = np.random.Generator(np.random.PCG64(self.seed))
        coarse = stream.integers(0, 256 - _NOISE, size=(_COARSE, _COARSE), dtype=np.uint8)
        size = self.width, self.height
        smooth = Image.fromarray(coarse).resize(size, Image.Resampling.BILINEAR)
        noise = Image.frombytes("L", size, stream.bytes(self.width * self.height)).point(_FAINT)
        grainy = ImageChops.add(smooth, noise)
        # One gradient in three colours: a third of the work.
        image = Image.merge("RGB", (grainy, ImageChops.invert(smooth), smooth))
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=self.quality)
        return _data_url("jpeg", buffer.getvalue())


class MadeUpImages:
    """Synthetic images with drawn sizes."""

    available: int | None = None

    def __init__(self, source: ImageSource) -> None:
        """Prepare the draws."""
        self._pixels = Sampler(source.pixels, "source.images.pixels", whole=True, lowest=1, most=_MOST_PIXELS)
        self._aspect = Sampler(source.aspect, "source.images.aspect", whole=False, lowest=0.01, most=100)
        self._quality = source.jpeg_quality

    def next(self, part: SlicePart, turn: int, count: int) -> list[SentImage]:
        """Return the images of the next request of this turn.

        Raises:
            InputError: one is too large, or too flat.
        """
        seeds = part.stream("images", turn).integers(0, 2**63, size=count)
        pixels = self._pixels.draw(part.stream("image_pixels", turn), count)
        aspect = self._aspect.draw(part.stream("image_aspect", turn), count)
        widths = np.clip(np.rint(np.sqrt(pixels * aspect)), 1, _LONGEST_SIDE)
        heights = np.clip(np.floor(pixels / widths), 1, _LONGEST_SIDE)  # never more pixels than drawn
        return [
            MadeImage(int(seed), int(width), int(height), self._quality)
            for seed, width, height in zip(seeds, widths, heights, strict=True)
        ]


class FolderImages:
    """Images of a folder, sorted by path, and shuffled by the seed unless they are to stay sorted."""

    def __init__(self, workload: Workload, skip: int) -> None:
        """Find the images.

        Args:
            workload: The workload.
            skip: How many images earlier stores have taken.

        Raises:
            InputError: the folder cannot be read, or has no image that may be used.
        """
        source = workload.source.images
        assert source is not None
        assert source.path is not None
        self.folder = source.path.absolute()
        self.files = _small_enough(_image_files(self.folder), source.max_pixels)
        if not self.files:
            limit = f" of at most {source.max_pixels} pixels" if source.max_pixels else ""
            raise InputError(f"{self.folder}: has no .jpg, .jpeg or .png{limit}; name another folder.")
        self.available: int | None = len(self.files)
        self._workload, self._sorted, self._taken = workload, source.order == "sorted", skip

    def next(self, part: SlicePart, turn: int, count: int) -> list[SentImage]:  # noqa: ARG002 - in sequence
        """Return the next images of the folder's order."""
        start, many = self._taken, len(self.files)
        self._taken += count
        if self._sorted:
            places = [place % many for place in range(start, start + count)]
        else:
            places = without_replacement(self._workload.seed, "images", many, start, count).tolist()
        return [self.sent(self.files[place]) for place in places]

    def sent(self, path: Path) -> SentImage:
        """Return an image of the folder as a request carries it."""
        return ImageFile(path, self._named(path))

    def find(self, written: str) -> Path | None:
        """Return the image that a path means whose last parts are those of one of the folder's files."""
        parts = PurePosixPath(written).parts
        found = self._by_name.get(PurePosixPath(written).name, ())
        return max(found, key=lambda path: _common_end(path.parts, parts), default=None)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        named = defaultdict(list)
        for path in self.files:
            named[path.name].append(path)
        return named

    def _named(self, path: Path) -> str | None:
        match self._workload.image_transport:
            case "file":
                return path.as_uri()
            case "http":
                # Bytes: names need not be UTF-8.
                return f"{self._workload.image_url}{quote(os.fsencode(path.relative_to(self.folder)))}"
            case _:
                return None


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: this folder of images does not exist; name another, or fetch it.")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _KINDS and path.is_file())
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _small_enough(files: Iterable[Path], max_pixels: int | None) -> list[Path]:
    if max_pixels is None:
        return list(files)
    return [path for path in files if _pixels(path) <= max_pixels]


def _pixels(path: Path) -> float:
    try:
        with warnings.catch_warnings():
            # Pillow's own limit: such an image is too large, as others are.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.width * image.height
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return np.inf
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path}: is no image that can be read ({error}); remove it.") from None


def _common_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    return next(
        (
            number
            for number, (here, there) in enumerate(zip(reversed(one), reversed(other), strict=False))
            if here != there
        ),
        min(len(one), len(other)),
    )


def _data_url(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
