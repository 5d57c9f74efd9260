"""Words of the catalogue: categories, brands, and sentences about each kind of product."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Three sibling categories whose products differ in their texts only by the product's name.

    The names in `vague` fit all three leaves; a product with such a name is distinguished only by its image.
    """

    path: str
    leaves: dict[str, tuple[str, ...]]
    vague: tuple[str, ...]
    materials: tuple[str, ...]
    details: tuple[str, ...]
    uses: tuple[str, ...]


FAMILIES: tuple[Family, ...] = (
    Family(
        path="Fashion > Footwear",
        leaves={
            "Boots": ("boots", "ankle boots", "lace-up boots"),
            "Sneakers": ("sneakers", "trainers", "low-top sneakers"),
            "Sandals": ("sandals", "strap sandals", "summer sandals"),
        },
        vague=("pair of shoes", "footwear", "everyday pair"),
        materials=("soft leather", "suede", "sturdy canvas", "recycled fabric"),
        details=("Size {38-45}.", "The sole is stitched, not glued.", "Runs true to size, marked {38-45}."),
        uses=(
            "Made for long days in town.",
            "Light enough to pack for a weekend.",
            "Comfortable from the first hour.",
        ),
    ),
    Family(
        path="Fashion > Clothing > Tops",
        leaves={
            "T-Shirts": ("T-shirt", "crew-neck T-shirt", "short-sleeved tee"),
            "Hoodies": ("hoodie", "pullover hoodie", "hooded sweatshirt"),
            "Tank Tops": ("tank top", "sleeveless top", "ribbed tank top"),
        },
        vague=("top", "cotton piece", "wardrobe basic"),
        materials=("organic cotton", "brushed cotton", "a linen blend", "soft jersey"),
        details=("Size {36-48}.", "Washes at {30-40} degrees.", "Regular fit, size {36-48}."),
        uses=(
            "Goes with nearly everything.",
            "Good on its own or as a layer.",
            "Keeps its shape in the wash.",
        ),
    ),
    Family(
        path="Fashion > Bags & Luggage",
        leaves={
            "Backpacks": ("backpack", "day pack", "school backpack"),
            "Handbags": ("handbag", "shoulder handbag", "evening handbag"),
            "Suitcases": ("suitcase", "cabin suitcase", "rolling suitcase"),
        },
        vague=("bag", "travel piece", "carry-all"),
        materials=("waxed canvas", "grained leather", "recycled nylon", "a hard-wearing weave"),
        details=("Holds {12-38} litres.", "Inside are {2-6} pockets.", "Weighs {2-4} kg when empty."),
        uses=(
            "Swallows more than one expects.",
            "Made for trains, offices and short trips.",
            "Easy to carry all day.",
        ),
    ),
    Family(
        path="Home > Kitchen > Drinkware",
        leaves={
            "Mugs": ("mug", "coffee mug", "breakfast mug"),
            "Wine Glasses": ("wine glass", "stemmed wine glass", "red wine glass"),
            "Water Bottles": ("water bottle", "sports bottle", "steel water bottle"),
        },
        vague=("drinking vessel", "piece for the table", "drinkware"),
        materials=("a glazed finish", "a matt finish", "a hand-dipped finish", "a clear lacquer"),
        details=(
            "Holds {20-75} cl.",
            "Stands {10-28} cm tall.",
            "Safe in the dishwasher up to {50-70} degrees.",
        ),
        uses=(
            "Pleasant to hold and easy to clean.",
            "A small luxury for every day.",
            "A welcome present for a new home.",
        ),
    ),
    Family(
        path="Home > Lighting",
        leaves={
            "Table Lamps": ("table lamp", "bedside lamp", "desk lamp with shade"),
            "Pendant Lights": ("pendant light", "hanging lamp", "ceiling pendant"),
            "Lanterns": ("lantern", "garden lantern", "candle lantern"),
        },
        vague=("light", "source of warm light", "piece of lighting"),
        materials=("powder-coated metal", "brushed steel", "painted tin", "enamelled metal"),
        details=(
            "Height {22-55} cm.",
            "Measures {18-40} cm across.",
            "Gives a warm glow that fills {8-20} square metres.",
        ),
        uses=(
            "Makes a corner feel like home.",
            "Kind to the eyes in the evening.",
            "Looks good even when it is off.",
        ),
    ),
    Family(
        path="Home > Furniture",
        leaves={
            "Chairs": ("chair", "dining chair", "upholstered chair"),
            "Tables": ("table", "dining table", "side table"),
            "Bookcases": ("bookcase", "tall bookcase", "bookcase with four shelves"),
        },
        vague=("piece of furniture", "piece for the living room", "solid piece"),
        materials=("solid oak", "stained beech", "painted pine", "ash wood"),
        details=("Width {45-120} cm.", "Bears up to {60-120} kg.", "Assembled in {10-40} minutes."),
        uses=("Steady on every floor.", "Fits small flats as well as large ones.", "Made to be handed down."),
    ),
    Family(
        path="Electronics > Audio",
        leaves={
            "Headphones": ("headphones", "over-ear headphones", "studio headphones"),
            "Speakers": ("speaker", "bookshelf speaker", "floor speaker"),
            "Radios": ("radio", "kitchen radio", "portable radio"),
        },
        vague=("audio device", "music companion", "piece of hi-fi"),
        materials=("a satin shell", "a scratch-proof housing", "a slim metal frame", "a soft-touch finish"),
        details=(
            "Plays for {10-60} hours on one charge.",
            "Comes with {2-5} m of cable.",
            "Rated at {10-90} watts.",
        ),
        uses=(
            "Clear voices and a calm bass.",
            "Sounds larger than it is.",
            "Simple enough for grandparents.",
        ),
    ),
)

BRANDS: tuple[str, ...] = (
    "Alderwick", "Brookmere", "Calico Lane", "Dunlinby", "Eastfold", "Fernhollow", "Greyhaven",
    "Harrow & Finch", "Inkwell Row", "Juniperly", "Kestrelle", "Larkmoor", "Marlopine", "Northby",
    "Oakenreed", "Pebblebrook", "Quillonby", "Rowanside", "Saltmarch", "Thistleford",
)  # fmt: skip

TITLES: tuple[str, ...] = (
    "{brand} {name} in {colour}",
    "{brand}: {colour} {name}",
    "{Colour} {name} by {brand}",
    "{Colour} {name}, {brand}",
)
TITLES_WITHOUT_BRAND: tuple[str, ...] = (
    "{Colour} {name}",
    "{Name} in {colour}",
    "{Name}, {colour}",
    "Lovely {colour} {name}",
)
BRAND_SENTENCES: tuple[str, ...] = (
    "Made by {brand}.",
    "From the workshop of {brand}.",
    "A {brand} design.",
    "The maker is {brand}.",
    "Part of the {brand} range.",
)
LOOKS: tuple[str, ...] = (
    "{Colour} throughout, and {material}.",
    "The {colour} tone suits {material} well.",
    "Comes in {colour}, with {material}.",
    "A quiet {colour}, paired with {material}.",
)
NEW: tuple[str, ...] = (
    "Brand new, still in its box.",
    "Unused, with all tags attached.",
    "New and sealed, with a receipt.",
    "Straight from the maker, never opened.",
    "Factory new with two years of warranty.",
    "New stock of this season.",
)
USED: tuple[str, ...] = (
    "Pre-owned, with light traces of wear.",
    "Used for two years and well cared for.",
    "Second-hand, with a small scratch on one side.",
    "Bought used, cleaned and checked by us.",
    "From a private household, shows some signs of age.",
    "Passed on by its first owner in good shape.",
)
