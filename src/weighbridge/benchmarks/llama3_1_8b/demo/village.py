"""Words of the village gazette: names, places, deeds, and the sentences that carry no fact."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deed:
    """Something that a person did, as an article tells it, with the verbs that a highlight may use."""

    told: str
    verbs: tuple[str, str, str]
    things: tuple[str, ...]


FIRST_NAMES: tuple[str, ...] = (
    "Ada", "Agnes", "Albert", "Alma", "Arthur", "Basil", "Bertha", "Bruno", "Carl", "Clara", "Cora",
    "Daisy", "David", "Dora", "Edgar", "Edith", "Elsa", "Emil", "Ernest", "Esther", "Felix", "Fiona",
    "Flora", "Frank", "George", "Greta", "Harold", "Hazel", "Helen", "Henry", "Hugo", "Ida", "Iris",
    "Jacob", "Jane", "Julia", "Karl", "Laura", "Leo", "Lily", "Louis", "Lucy", "Mabel", "Martin",
    "Max", "Mina", "Nora", "Oscar", "Otto", "Paul", "Peter", "Rosa", "Ruth", "Simon", "Stella",
    "Thomas", "Vera", "Victor", "Walter", "Willa",
)  # fmt: skip
LAST_NAMES: tuple[str, ...] = (
    "Abbott", "Archer", "Baker", "Barlow", "Barton", "Bell", "Benson", "Birch", "Blake", "Bolton",
    "Bowen", "Brook", "Burton", "Carter", "Clark", "Cooper", "Crane", "Dalton", "Dawson", "Dixon",
    "Doyle", "Drake", "Elliot", "Farmer", "Fisher", "Fletcher", "Foster", "Fowler", "Garner", "Gibson",
    "Glover", "Grant", "Harper", "Hobson", "Hooper", "Howard", "Hunter", "Irving", "Jarvis", "Keller",
    "Kemp", "Lambert", "Lawson", "Linton", "Lowell", "Marsh", "Mason", "Mercer", "Miller", "Morton",
    "Nash", "Newton", "Norris", "Oakley", "Osborn", "Palmer", "Parker", "Porter", "Potter", "Quinn",
    "Ramsey", "Reeves", "Rowe", "Sadler", "Sawyer", "Shaw", "Skinner", "Slater", "Spencer", "Stone",
    "Tanner", "Thorne", "Turner", "Tyler", "Vaughn", "Wallis", "Warner", "Webster", "Weaver", "Wood",
)  # fmt: skip
PLACES: tuple[str, ...] = (
    "Ashford", "Barnfield", "Beckton", "Birchley", "Bramford", "Cawston", "Claybrook", "Coldham",
    "Deepwell", "Dunmore", "Eastwick", "Elmford", "Fairhill", "Fenwick", "Foxley", "Gorsefield",
    "Greenhurst", "Hartwell", "Hazelby", "Highmoor", "Kingsmead", "Langley", "Longmere", "Marlow",
    "Millbrook", "Netherby", "Oakhurst", "Oldcastle", "Pinewood", "Ravenby", "Redhill", "Rushmere",
    "Sandford", "Stonebridge", "Swanley", "Thornbury", "Upwell", "Wainfleet", "Westbrook",
    "Willowdale",
)  # fmt: skip
ROLES: tuple[str, ...] = (
    "baker", "blacksmith", "carpenter", "doctor", "gardener", "mayor", "postman", "teacher", "vicar",
    "miller",
)  # fmt: skip
WHENS: tuple[str, ...] = (
    "last week", "after long years of work", "with the help of two neighbours", "to the joy of many",
    "without any fuss", "earlier this month",
)  # fmt: skip
DEEDS: tuple[Deed, ...] = (
    Deed("has finished work on", ("builds", "erects", "makes"), (
        "a stone bridge", "a bandstand", "a bird house", "a wooden tower", "a sheep fold", "a boat shed",
    )),
    Deed("has become the owner of", ("buys", "acquires", "inherits"), (
        "the old mill", "the corner shop", "the tea room", "the south farm", "the brick works", "the inn",
    )),
    Deed("has put in order", ("repairs", "restores", "fixes"), (
        "the church clock", "the village pump", "the school roof", "the fire engine", "the organ",
        "the lock gate",
    )),
    Deed("has handed over", ("donates", "presents", "offers"), (
        "forty rose trees", "a grand piano", "a shelf of atlases", "a pair of geese", "a silver bell",
        "ten benches",
    )),
)  # fmt: skip
TALKS: tuple[str, ...] = (
    "After a long debate", "To nobody's surprise", "By a narrow vote", "At its spring meeting",
    "Late at night",
)  # fmt: skip
BODIES: tuple[str, ...] = (
    "parish council", "school board", "harvest fund", "fire brigade", "church trust", "library club",
    "garden society", "savings bank",
)  # fmt: skip
AMOUNTS: tuple[str, ...] = tuple(str(number) for number in range(11, 100))
CAUSES: tuple[str, ...] = (
    "new street lamps", "a footpath", "winter coal", "school dinners", "a duck pond", "flood walls",
    "the brass band", "a bus shelter", "tree planting", "a sports field", "road signs", "a first aid post",
    "the nursery", "a weather station", "clean wells", "the spring fair",
)  # fmt: skip
GRANTS: tuple[str, str, str] = ("grants", "pledges", "approves")
WEEKDAYS: tuple[str, ...] = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
EVENTS: tuple[str, ...] = (
    "chess match", "rowing race", "flower show", "spelling contest", "choir evening", "cattle market",
    "cricket game", "book sale", "baking contest", "dog show", "kite festival", "barn dance",
)  # fmt: skip
ENDS: tuple[str, str, str] = ("ends", "closes", "finishes")
OUTCOMES: tuple[str, ...] = (
    "a draw", "a new record", "two winners", "a power cut", "a heavy shower", "a prize for all",
    "loud applause", "a lost trophy", "three encores", "a narrow win", "a quarrel", "a surprise guest",
    "free cake", "a speech",
)  # fmt: skip
DISTRACTORS: tuple[str, ...] = (
    "Rain is expected on {day} and the roads to {place} may be muddy.",
    "{first} {last} of {place} wrote to this paper about the height of hedges.",
    "Eggs were sold at {amount} pence a dozen.",
    "The library stays shut on {day} while the shelves are painted.",
    "A brown hen was found near {place} and waits for its owner.",
    "The train from {place} was {amount} minutes late on {day}.",
    "The {role} of {place} is looking for a quiet room.",
    "{first} {last} turned {amount} and thanks all friends.",
    "The well at {place} holds clear water again.",
    "Visitors are asked to leave their bicycles at the gate.",
)  # fmt: skip
