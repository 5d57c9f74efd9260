"""Images as data URLs, for requests that carry them."""

import base64
import io
from typing import Literal

from PIL import Image, ImageOps

from weighbridge.core.errors import InputError

_ORIENTATION = 0x0112  # EXIF tag


def image_url(content: bytes, mode: Literal["reencode", "original"]) -> str:
    """Return the data URL of an image file.

    'reencode' decodes and saves it again with Pillow's defaults (a JPEG loses a little), and turns it upright
    first, as `datasets` does when it decodes: the bytes that the reference sends.

    Raises:
        InputError: the bytes are no image that Pillow reads.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            kind = image.format
            if mode == "reencode":
                image.load()
                upright = ImageOps.exif_transpose(image) if _ORIENTATION in image.getexif() else image
                buffer = io.BytesIO()
                upright.save(buffer, format=kind)
                content = buffer.getvalue()
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"an image cannot be decoded ({error})") from None
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
