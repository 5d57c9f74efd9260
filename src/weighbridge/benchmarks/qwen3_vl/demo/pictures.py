"""Draw the catalogue's product images: a silhouette per category, with varied colour, light, place and tilt.

Everything is drawn at twice the size on a transparent sheet of 100 x 100 units and then scaled down, which
gives smooth edges without fonts, textures or asset files. All randomness comes from the caller's generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[int, int, int]
Point = tuple[float, float]

SIDE_PIXELS = 128
OVERSAMPLING = 2
CANVAS_PIXELS = SIDE_PIXELS * OVERSAMPLING
UNITS = 100.0

COLOURS: dict[str, Colour] = {
    "black": (44, 44, 50),
    "charcoal": (84, 88, 96),
    "cream": (232, 218, 190),
    "tan": (190, 142, 94),
    "brown": (118, 76, 50),
    "burgundy": (126, 36, 54),
    "red": (204, 58, 54),
    "coral": (236, 122, 98),
    "mustard": (218, 166, 50),
    "olive": (116, 122, 66),
    "forest green": (46, 98, 72),
    "teal": (36, 134, 138),
    "sky blue": (112, 172, 214),
    "navy": (40, 58, 104),
    "lilac": (172, 148, 202),
    "rose": (222, 152, 164),
}

BACKDROPS: tuple[tuple[Colour, Colour], ...] = (
    ((252, 252, 252), (226, 228, 232)),
    ((248, 244, 236), (222, 210, 192)),
    ((236, 242, 248), (200, 212, 226)),
    ((240, 246, 238), (204, 218, 202)),
    ((250, 240, 240), (228, 206, 206)),
    ((214, 216, 222), (166, 170, 180)),
)


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Return `first` moved by `share` (0 to 1) towards `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def curve(points: Sequence[Point], closed: bool = True, pieces: int = 8) -> list[Point]:
    """Return a Catmull-Rom curve through `points`, as a polygon with `pieces` corners for each of them."""
    count = len(points)
    outline: list[Point] = []
    for index in range(count if closed else count - 1):
        around = [index - 1, index, index + 1, index + 2]
        p0, p1, p2, p3 = (points[i % count] if closed else points[min(max(i, 0), count - 1)] for i in around)
        for piece in range(pieces):
            t = piece / pieces
            x, y = (
                0.5
                * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
                for a, b, c, d in zip(p0, p1, p2, p3, strict=True)
            )
            outline.append((x, y))
    return outline if closed else [*outline, points[-1]]


class Brush:
    """Draws on one transparent sheet in units of 1/100 of its side, with the shades of one product colour."""

    def __init__(self, colour: Colour, rng: random.Random) -> None:
        self.sheet = Image.new("RGBA", (CANVAS_PIXELS, CANVAS_PIXELS), (0, 0, 0, 0))
        self.draw = ImageDraw.Draw(self.sheet)
        self.rng = rng
        self.main = colour
        self.dark = blend(colour, (16, 16, 24), 0.38)
        self.light = blend(colour, (255, 255, 255), 0.42)
        self.white: Colour = (244, 242, 236)
        self.steel: Colour = (150, 156, 164)
        self.wood = rng.choice(((176, 128, 82), (140, 96, 60), (206, 168, 120)))

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [(x * CANVAS_PIXELS / UNITS, y * CANVAS_PIXELS / UNITS) for x, y in points]

    def shape(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill a polygon with straight edges."""
        self.draw.polygon(self._pixels(points), fill=fill)

    def blob(self, points: Sequence[Point], fill: Colour) -> None:
        """Fill the smooth closed curve through the points."""
        self.shape(curve(points), fill)

    def stroke(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """Draw a smooth open line with round joints; `width` is in units."""
        pixels = self._pixels(curve(points, closed=False))
        thick = width * CANVAS_PIXELS / UNITS
        self.draw.line(pixels, fill=fill, width=round(thick), joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            self.draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=fill)

    def oval(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        """Fill the ellipse inside a box."""
        (x0, y0), (x1, y1) = self._pixels([(left, top), (right, bottom)])
        self.draw.ellipse((x0, y0, x1, y1), fill=fill)

    def box(
        self, left: float, top: float, right: float, bottom: float, fill: Colour, radius: float = 0.0
    ) -> None:
        """Fill a box with rounded corners; `radius` is in units."""
        (x0, y0), (x1, y1) = self._pixels([(left, top), (right, bottom)])
        self.draw.rounded_rectangle((x0, y0, x1, y1), radius * CANVAS_PIXELS / UNITS, fill=fill)

    def ring(self, left: float, top: float, right: float, bottom: float, fill: Colour, width: float) -> None:
        """Draw the outline of an ellipse, `width` units thick; what is inside stays as it was."""
        (x0, y0), (x1, y1) = self._pixels([(left, top), (right, bottom)])
        self.draw.ellipse((x0, y0, x1, y1), outline=fill, width=round(width * CANVAS_PIXELS / UNITS))


def draw_boots(b: Brush) -> None:
    """A laced boot from the side; the height of its shaft differs."""
    shaft = b.rng.uniform(10, 20)
    b.blob(
        [
            (30, shaft),
            (56, shaft),
            (55, 40),
            (58, 55),
            (76, 62),
            (88, 72),
            (87, 82),
            (30, 82),
            (29, 60),
            (31, 40),
        ],
        b.main,
    )
    b.shape([(28, 80), (89, 80), (89, 87), (52, 87), (50, 90), (28, 90)], b.dark)
    b.box(29, shaft - 2, 57, shaft + 5, b.light, 2)
    for step in range(4):
        y = 32 + 8 * step
        b.stroke([(44, y), (56, y - 2)], b.white, 1.8)


def draw_sneakers(b: Brush) -> None:
    """A running shoe from the side, on a white sole."""
    b.blob(
        [
            (10, 46),
            (22, 42),
            (34, 50),
            (46, 38),
            (54, 40),
            (66, 54),
            (84, 60),
            (92, 70),
            (90, 77),
            (10, 77),
            (9, 60),
        ],
        b.main,
    )
    b.box(7, 73, 93, 83, b.white, 4)
    b.blob([(12, 62), (28, 58), (30, 74), (12, 74)], b.dark)
    b.stroke([(34, 70), (46, 64), (62, 68)], b.white, 3)
    for step in range(3):
        b.stroke([(47 + 6 * step, 46 + 5 * step), (56 + 6 * step, 42 + 5 * step)], b.white, 2)


def draw_sandals(b: Brush) -> None:
    """A flat sandal from the side, held by three straps."""
    b.blob([(8, 74), (30, 70), (60, 74), (86, 72), (94, 77), (84, 83), (40, 83), (10, 84)], b.dark)
    b.stroke([(12, 72), (40, 72), (66, 75), (90, 74)], b.wood, 4)
    b.stroke([(58, 74), (66, 56), (80, 56), (86, 72)], b.main, 7)
    b.stroke([(14, 72), (20, 48), (36, 46), (44, 72)], b.main, 5)
    b.stroke([(34, 48), (50, 56), (64, 60)], b.main, 5)
    b.box(24, 43, 31, 51, b.steel, 1.5)


def draw_t_shirts(b: Brush) -> None:
    """A short-sleeved shirt with a spot or a stripe."""
    b.shape(
        [
            (34, 16),
            (66, 16),
            (78, 20),
            (94, 42),
            (80, 52),
            (72, 42),
            (72, 90),
            (28, 90),
            (28, 42),
            (20, 52),
            (6, 42),
            (22, 20),
        ],
        b.main,
    )
    b.oval(39, 8, 61, 26, b.dark)
    b.oval(41, 6, 59, 23, b.light)
    if b.rng.random() < 0.5:
        b.oval(42, 42, 58, 58, b.light)
    else:
        b.box(28, 46, 72, 54, b.light)


def draw_hoodies(b: Brush) -> None:
    """A hooded top with long sleeves, cords and a front pocket."""
    b.shape(
        [
            (32, 24),
            (68, 24),
            (80, 30),
            (95, 80),
            (83, 84),
            (74, 56),
            (74, 92),
            (26, 92),
            (26, 56),
            (17, 84),
            (5, 80),
            (20, 30),
        ],
        b.main,
    )
    b.blob([(30, 28), (34, 10), (50, 4), (66, 10), (70, 28), (50, 38)], b.main)
    b.blob([(37, 26), (40, 14), (50, 10), (60, 14), (63, 26), (50, 33)], b.dark)
    b.shape([(36, 64), (64, 64), (70, 82), (30, 82)], b.dark)
    b.stroke([(45, 32), (44, 50)], b.white, 2)
    b.stroke([(55, 32), (56, 50)], b.white, 2)
    b.box(26, 88, 74, 94, b.dark, 2)


def draw_tank_tops(b: Brush) -> None:
    """A sleeveless top, plain or striped."""
    b.shape(
        [
            (33, 8),
            (40, 8),
            (43, 24),
            (57, 24),
            (60, 8),
            (67, 8),
            (69, 30),
            (77, 42),
            (76, 92),
            (24, 92),
            (23, 42),
            (31, 30),
        ],
        b.main,
    )
    b.stroke([(40, 9), (42, 24), (50, 31), (58, 24), (60, 9)], b.dark, 3.5)
    b.stroke([(31, 14), (31, 30), (24, 42)], b.dark, 2.5)
    b.stroke([(69, 14), (69, 30), (76, 42)], b.dark, 2.5)
    if b.rng.random() < 0.5:
        for step in range(3):
            b.box(25, 54 + 11 * step, 75, 58 + 11 * step, b.light)


def draw_backpacks(b: Brush) -> None:
    """A backpack from the front, with three pockets."""
    b.stroke([(40, 16), (42, 5), (58, 5), (60, 16)], b.dark, 4)
    b.box(14, 46, 26, 82, b.dark, 5)
    b.box(74, 46, 86, 82, b.dark, 5)
    b.box(22, 11, 78, 92, b.main, 17)
    b.stroke([(27, 38), (50, 43), (73, 38)], b.dark, 2.5)
    b.box(30, 55, 70, 86, b.dark, 6)
    b.box(33, 58, 67, 83, b.light, 4)
    b.box(33, 64, 67, 66.5, b.dark)
    b.box(46, 39, 54, 49, b.wood, 2)


def draw_handbags(b: Brush) -> None:
    """A handbag with a flap, a clasp and one handle."""
    top = b.rng.uniform(10, 18)
    b.stroke([(30, 46), (36, top + 6), (50, top), (64, top + 6), (70, 46)], b.dark, 4.5)
    b.shape([(20, 42), (80, 42), (92, 86), (8, 86)], b.main)
    b.shape([(20, 42), (80, 42), (74, 62), (50, 68), (26, 62)], b.dark)
    b.oval(45, 60, 55, 70, (222, 184, 92))
    b.box(8, 83, 92, 88, b.dark, 2)


def draw_suitcases(b: Brush) -> None:
    """A ribbed suitcase on two wheels, its handle out."""
    b.stroke([(40, 26), (40, 5), (60, 5), (60, 26)], b.steel, 3.5)
    b.box(22, 22, 78, 88, b.main, 7)
    for x in (32, 42, 52, 62):
        b.box(x, 26, x + 3.5, 84, b.dark, 1.5)
    b.box(22, 50, 78, 55, b.light)
    b.oval(26, 86, 36, 96, (50, 50, 54))
    b.oval(64, 86, 74, 96, (50, 50, 54))


def draw_mugs(b: Brush) -> None:
    """A filled mug with a handle, striped or spotted."""
    b.ring(60, 36, 92, 74, b.dark, 7)
    b.box(18, 24, 72, 86, b.main, 8)
    b.oval(18, 17, 72, 33, b.light)
    b.oval(23, 20, 67, 31, b.rng.choice(((92, 58, 38), (150, 96, 52), b.dark)))
    if b.rng.random() < 0.5:
        b.box(18, 54, 72, 62, b.light)
    else:
        b.oval(36, 46, 54, 64, b.light)


def draw_wine_glasses(b: Brush) -> None:
    """A half-full glass on a stem."""
    glass = blend(b.light, (255, 255, 255), 0.35)
    b.blob([(30, 10), (70, 10), (74, 28), (66, 46), (50, 54), (34, 46), (26, 28)], glass)
    b.blob([(27, 28), (50, 31), (73, 28), (66, 45), (50, 53), (34, 45)], b.main)
    b.oval(29, 7, 71, 15, blend(glass, (255, 255, 255), 0.5))
    b.box(47.5, 52, 52.5, 88, b.dark)
    b.oval(29, 84, 71, 94, b.dark)
    b.oval(31, 84, 69, 91, glass)


def draw_water_bottles(b: Brush) -> None:
    """A bottle with a looped cap and a label."""
    b.box(40, 5, 60, 19, b.dark, 3)
    b.stroke([(58, 10), (70, 8), (70, 22), (60, 24)], b.dark, 3)
    b.shape([(41, 19), (59, 19), (67, 34), (33, 34)], b.steel)
    b.box(33, 30, 67, 95, b.main, 6)
    b.box(37, 34, 42, 90, b.light, 2)
    b.box(33, 56, 67, 72, b.white if b.rng.random() < 0.5 else b.dark)


def draw_table_lamps(b: Brush) -> None:
    """A lamp with a wooden foot and a wide shade."""
    b.box(47, 48, 53, 86, b.wood, 1)
    b.oval(40, 56, 60, 82, b.wood)
    b.oval(30, 84, 70, 94, b.dark)
    b.shape([(34, 10), (66, 10), (82, 52), (18, 52)], b.main)
    b.shape([(42, 10), (54, 10), (60, 52), (36, 52)], b.light)
    b.oval(18, 48, 82, 56, (255, 238, 184))


def draw_pendant_lights(b: Brush) -> None:
    """A dome that hangs from a cable, its bulb below."""
    b.box(49, 0, 51.5, 34, (60, 60, 64))
    b.box(44, 30, 56, 40, b.steel, 2)
    b.shape(curve([(44, 38), (56, 38), (74, 50), (86, 72), (50, 75), (14, 72), (26, 50)]), b.main)
    b.stroke([(34, 50), (26, 64)], b.light, 4)
    b.oval(14, 66, 86, 80, b.dark)
    b.oval(38, 66, 62, 88, (255, 236, 170))


def draw_lanterns(b: Brush) -> None:
    """A lantern with a ring, a roof and a lit candle."""
    b.ring(37, 2, 63, 26, b.dark, 3)
    b.shape([(50, 14), (76, 32), (24, 32)], b.main)
    b.box(26, 30, 74, 86, b.main, 2)
    b.box(32, 37, 68, 80, (252, 232, 178))
    b.box(48.5, 37, 51.5, 80, b.main)
    b.box(43, 56, 57, 80, b.white, 1)
    b.blob([(50, 42), (54, 50), (50, 56), (46, 50)], (244, 150, 40))
    b.box(20, 84, 80, 92, b.dark, 2)


def draw_chairs(b: Brush) -> None:
    """A chair with a padded back and seat on four wooden legs."""
    legs = b.wood
    b.shape([(27, 60), (33, 60), (29, 95), (23, 95)], legs)
    b.shape([(69, 60), (75, 60), (80, 95), (74, 95)], legs)
    b.shape([(38, 60), (43, 60), (41, 88), (37, 88)], blend(legs, (0, 0, 0), 0.25))
    b.shape([(59, 60), (64, 60), (66, 88), (62, 88)], blend(legs, (0, 0, 0), 0.25))
    b.box(28, 6, 72, 52, b.main, 9)
    b.box(34, 12, 66, 44, b.light, 6)
    b.box(22, 50, 78, 64, b.dark, 6)


def draw_tables(b: Brush) -> None:
    """A table on four wooden legs, some with a drawer."""
    legs = b.wood
    b.shape([(14, 44), (21, 44), (18, 90), (12, 90)], legs)
    b.shape([(79, 44), (86, 44), (88, 90), (82, 90)], legs)
    b.shape([(28, 44), (33, 44), (32, 80), (28, 80)], blend(legs, (0, 0, 0), 0.3))
    b.shape([(67, 44), (72, 44), (72, 80), (68, 80)], blend(legs, (0, 0, 0), 0.3))
    b.shape([(20, 30), (80, 30), (96, 42), (4, 42)], b.light)
    b.box(4, 41, 96, 48, b.main, 1.5)
    if b.rng.random() < 0.4:
        b.box(36, 48, 64, 56, b.dark, 1)


def draw_bookcases(b: Brush) -> None:
    """Four shelves with books of many colours."""
    b.box(22, 4, 78, 96, b.main, 2)
    for shelf in range(4):
        top = 8 + 22 * shelf
        b.box(27, top, 73, top + 19, b.dark)
        x = 28.5
        while x < b.rng.uniform(44, 70):
            thick = b.rng.uniform(3, 6)
            spine = b.rng.choice(tuple(COLOURS.values()))
            b.box(
                x,
                top + b.rng.uniform(2, 8),
                min(x + thick, 72),
                top + 19,
                blend(spine, (255, 255, 255), 0.15),
                0.5,
            )
            x += thick + 0.6


def draw_headphones(b: Brush) -> None:
    """A headband with two padded cups."""
    b.stroke([(19, 58), (22, 28), (50, 11), (78, 28), (81, 58)], b.main, 7)
    b.stroke([(30, 24), (50, 15), (70, 24)], b.light, 3)
    b.box(9, 50, 29, 86, b.dark, 8)
    b.box(71, 50, 91, 86, b.dark, 8)
    b.box(24, 53, 35, 83, b.main, 5)
    b.box(65, 53, 76, 83, b.main, 5)


def draw_speakers(b: Brush) -> None:
    """An upright loudspeaker with two cones."""
    b.box(24, 5, 76, 95, b.main, 5)
    for left, top, right, bottom in ((36, 13, 64, 41), (29, 47, 71, 89)):
        b.oval(left, top, right, bottom, b.dark)
        b.oval(left + 4, top + 4, right - 4, bottom - 4, (58, 58, 62))
        middle_x, middle_y, half = (left + right) / 2, (top + bottom) / 2, (right - left) / 7
        b.oval(middle_x - half, middle_y - half, middle_x + half, middle_y + half, b.light)


def draw_radios(b: Brush) -> None:
    """A radio with a handle, an aerial, a dial and two knobs."""
    b.stroke([(76, 34), (92, 4)], b.steel, 2)
    b.stroke([(22, 36), (24, 22), (70, 22), (72, 36)], b.dark, 4)
    b.box(7, 32, 93, 84, b.main, 8)
    for step in range(6):
        b.box(14, 41 + 6 * step, 47, 43.5 + 6 * step, b.dark, 1)
    b.box(54, 40, 87, 53, b.white, 2)
    b.box(62, 41, 64, 52, (208, 60, 50))
    b.oval(55, 59, 70, 74, b.dark)
    b.oval(73, 59, 87, 74, b.light)


PAINTERS: dict[str, Callable[[Brush], None]] = {
    "Boots": draw_boots,
    "Sneakers": draw_sneakers,
    "Sandals": draw_sandals,
    "T-Shirts": draw_t_shirts,
    "Hoodies": draw_hoodies,
    "Tank Tops": draw_tank_tops,
    "Backpacks": draw_backpacks,
    "Handbags": draw_handbags,
    "Suitcases": draw_suitcases,
    "Mugs": draw_mugs,
    "Wine Glasses": draw_wine_glasses,
    "Water Bottles": draw_water_bottles,
    "Table Lamps": draw_table_lamps,
    "Pendant Lights": draw_pendant_lights,
    "Lanterns": draw_lanterns,
    "Chairs": draw_chairs,
    "Tables": draw_tables,
    "Bookcases": draw_bookcases,
    "Headphones": draw_headphones,
    "Speakers": draw_speakers,
    "Radios": draw_radios,
}


def ramp(top: Colour, bottom: Colour) -> Image.Image:
    """Return a canvas that runs evenly from one colour at the top to another at the bottom."""
    mask = Image.linear_gradient("L").resize((CANVAS_PIXELS, CANVAS_PIXELS))
    size = (CANVAS_PIXELS, CANVAS_PIXELS)
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), mask)


def place(sheet: Image.Image, rng: random.Random) -> Image.Image:
    """Mirror, tilt, shrink and shift the drawn product, as hand-held photographs differ."""
    if rng.random() < 0.5:
        sheet = sheet.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    sheet = sheet.rotate(rng.uniform(-7, 7), Image.Resampling.BILINEAR)
    size = round(CANVAS_PIXELS * rng.uniform(0.66, 0.88))
    slack = CANVAS_PIXELS - size
    placed = Image.new("RGBA", (CANVAS_PIXELS, CANVAS_PIXELS), (0, 0, 0, 0))
    corner = (round(slack * rng.uniform(0.2, 0.8)), round(slack * rng.uniform(0.35, 0.65)))
    placed.paste(sheet.resize((size, size), Image.Resampling.BILINEAR), corner)
    return placed


def drop_shadow(backdrop: Image.Image, mask: Image.Image, rng: random.Random) -> Image.Image:
    """Return the backdrop with the product's soft shadow thrown to one side."""
    small = mask.resize((SIDE_PIXELS, SIDE_PIXELS))
    shift = (rng.choice((-1, 1)) * rng.randint(2, 5), rng.randint(2, 4))
    soft = ImageChops.offset(small, *shift).filter(ImageFilter.GaussianBlur(rng.uniform(2.0, 3.5)))
    strength = rng.uniform(0.22, 0.42)
    soft = soft.point([round(level * strength) for level in range(256)])
    soft = soft.resize(backdrop.size, Image.Resampling.BILINEAR)
    return Image.composite(Image.new("RGB", backdrop.size, (30, 30, 44)), backdrop, soft)


def lit(product: Image.Image, rng: random.Random) -> Image.Image:
    """Return the product's colours under a lamp from above: bright at the top, dimmer below."""
    low = rng.randint(186, 222)
    return ImageChops.multiply(product.convert("RGB"), ramp((255, 255, 255), (low, low, low)))


def draw_product(leaf: str, colour: str, rng: random.Random) -> Image.Image:
    """Return one product picture, RGB, SIDE_PIXELS square.

    `leaf` is a key of PAINTERS and `colour` one of COLOURS; KeyError for any other.
    """
    shade = blend(COLOURS[colour], rng.choice(((0, 0, 0), (255, 255, 255))), rng.uniform(0.0, 0.10))
    brush = Brush(shade, rng)
    PAINTERS[leaf](brush)
    product = place(brush.sheet, rng)
    mask = product.getchannel("A")
    backdrop = ramp(*rng.choice(BACKDROPS))
    picture = drop_shadow(backdrop, mask, rng)
    picture.paste(lit(product, rng), mask=mask)
    return picture.resize((SIDE_PIXELS, SIDE_PIXELS), Image.Resampling.LANCZOS)
