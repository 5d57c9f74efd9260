"""Small sources of workloads: a folder of images, and JSON lines in InternVL's form."""

import json
from pathlib import Path

from PIL import Image


def write_images(folder: Path, count: int, *, side: int = 6) -> list[bytes]:
    """Write distinct images, and two that are no image or too large; return their bytes, sorted by path."""
    folder.mkdir(parents=True)
    for number in range(count):
        kind = (".jpg", ".JPEG", ".png")[number % 3]
        Image.new("RGB", (side, side), (number, 7, 9)).save(folder / f"{number:03}{kind}")
    Image.new("RGB", (40, 40)).save(folder / "large.png")
    (folder / "notes.txt").write_text("no image")
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.stem.isdigit()]


def write_lines(path: Path, count: int, *, pairs: int = 3) -> None:
    """Write lines whose question k of line n is "q{n}.{k} ?", with an odd one at the end of each."""
    lines = []
    for number in range(count):
        said = []
        for pair in range(pairs):
            mark = "<image>\n" if pair == 0 else ""
            said.append({"from": "human", "value": f"{mark}q{number}.{pair} ?"})
            said.append({"from": "gpt", "value": f"a{number}.{pair} é\n"})
        said.append({"from": "human", "value": "odd"})
        image = f"data/train/{number:03}{('.jpg', '.JPEG', '.png')[number % 3]}"
        lines.append({"id": number, "image": image, "conversations": said})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
