"""What the words of a prompt mean to us: subjects, place, weather, time of day, colours, style."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bot.sandbox.art.brush import Colour

SUBJECTS: Mapping[str, str] = {
    word: figure
    for figure, words in {
        "fox": "fox vixen",
        "wolf": "wolf coyote husky",
        "cat": "cat kitten kitty lynx",
        "dog": "dog puppy hound corgi",
        "bear": "bear teddy",
        "panda": "panda",
        "rabbit": "rabbit bunny hare",
        "lion": "lion lioness",
        "tiger": "tiger leopard",
        "mouse": "mouse rat hamster mice",
        "bird": "bird sparrow robin finch parrot duck",
        "owl": "owl",
        "penguin": "penguin",
        "fish": "fish goldfish shark",
        "whale": "whale dolphin orca",
        "horse": "horse pony stallion donkey cow zebra",
        "unicorn": "unicorn pegasus",
        "deer": "deer stag doe moose reindeer elk",
        "elephant": "elephant mammoth",
        "turtle": "turtle tortoise",
        "butterfly": "butterfly moth",
        "dragon": "dragon dinosaur",
        "person": "person man boy king wizard knight hero human people child farmer sailor",
        "girl": "girl woman lady princess queen witch 1girl",
        "astronaut": "astronaut cosmonaut spaceman",
        "robot": "robot android droid cyborg machine",
        "car": "car taxi truck bus automobile vehicle",
        "boat": "boat ship sailboat yacht sailing",
        "train": "train locomotive railway",
        "rocket": "rocket spaceship spacecraft shuttle",
        "balloon": "balloon airship",
        "house": "house cottage cabin home hut barn",
        "castle": "castle palace fortress fantasy",
        "lighthouse": "lighthouse",
        "tower": "tower ruin temple",
        "monolith": "monolith obelisk",
        "tree": "tree oak maple",
        "cherry": "cherry sakura hanami plum wisteria",
        "pine": "pine fir spruce",
        "palm": "palm",
        "flower": "rose tulip sunflower daisy",
        "mushroom": "mushroom toadstool fungus",
        "cactus": "cactus cacti",
        "cup": "cup mug coffee tea teapot",
        "snowman": "snowman",
        "planet": "planet saturn jupiter mars",
    }.items()
    for word in words.split()
}
"""The word of a prompt -> the figure that is drawn for it."""

TRAITS: Mapping[str, tuple[str, str]] = {
    word: (slot, value)
    for slot, value, words in (
        ("place", "forest", "forest wood woods jungle woodland"),
        ("place", "desert", "desert dune sahara canyon"),
        ("place", "sea", "sea ocean wave lake water river harbour harbor"),
        ("place", "underwater", "underwater reef coral submarine"),
        ("place", "beach", "beach coast shore island tropical"),
        ("place", "space", "space galaxy cosmos nebula universe orbit moonscape"),
        ("place", "city", "city town street skyline skyscraper urban downtown tokyo paris york london"),
        ("place", "mountains", "mountain alps hill peak valley landscape"),
        ("season", "winter", "snow snowy winter ice icy frozen frost arctic blizzard christmas"),
        ("season", "bloom", "flower meadow spring blossom bloom garden petal paradise floral field"),
        ("season", "autumn", "autumn fall leaves harvest october pumpkin"),
        ("season", "summer", "summer grass green sunny"),
        ("weather", "rain", "rain rainy storm stormy thunder wet"),
        ("weather", "fog", "fog foggy mist misty haze"),
        ("weather", "rainbow", "rainbow"),
        ("time", "night", "night midnight moon moonlight moonlit star starry dark aurora"),
        ("time", "sunset", "sunset dusk evening golden twilight"),
        ("time", "dawn", "dawn sunrise morning"),
        ("style", "grey", "monochrome grayscale greyscale noir"),
        ("style", "sepia", "sepia vintage retro antique"),
        ("style", "sketch", "sketch pencil drawing lineart charcoal"),
        ("style", "paint", "painting oil watercolor watercolour impressionist gouache"),
        ("style", "pixel", "pixel pixelated 8bit 16bit minecraft"),
        ("style", "neon", "neon cyberpunk synthwave vaporwave"),
        ("style", "soft", "dreamy soft pastel dream ethereal"),
    )
    for word in words.split()
}
"""The word of a prompt -> which trait of the picture it decides, and how."""

COLOURS: Mapping[str, Colour] = {
    "red": (214, 58, 56), "crimson": (178, 32, 56), "scarlet": (224, 52, 44), "orange": (242, 136, 48),
    "amber": (244, 176, 60), "yellow": (248, 212, 72), "gold": (232, 184, 74), "golden": (232, 184, 74),
    "green": (92, 164, 88), "emerald": (40, 150, 104), "teal": (48, 150, 154), "turquoise": (72, 196, 192),
    "cyan": (84, 206, 222), "blue": (66, 120, 206), "navy": (40, 62, 122), "purple": (140, 92, 196),
    "violet": (146, 104, 214), "lilac": (196, 164, 226), "pink": (246, 150, 184), "magenta": (214, 66, 156),
    "brown": (136, 92, 62), "beige": (226, 204, 172), "white": (250, 248, 246), "silver": (196, 202, 214),
    "grey": (140, 144, 154), "gray": (140, 144, 154), "black": (50, 48, 58),
}  # fmt: skip

NUMBERS: Mapping[str, int] = {
    "two": 2, "pair": 2, "three": 3, "several": 3, "four": 4, "many": 4, "five": 5, "2": 2, "3": 3,
    "4": 4, "5": 5,
}  # fmt: skip

FILLERS = frozenset({
    "a", "an", "the", "of", "in", "on", "at", "with", "and", "or", "to", "is", "are", "by", "for",
    "from", "over", "under", "into", "near", "as", "its", "it", "his", "her", "very", "some", "this", "that",
    "masterpiece", "best", "quality", "detailed", "highly", "beautiful", "trending", "artstation", "unreal",
    "engine", "4k", "8k", "hd", "solo",
})  # fmt: skip


PLANTS = frozenset({"tree", "cherry", "pine", "palm"})
SCENERY = PLANTS | {"house", "castle", "tower", "lighthouse", "planet"}


@dataclass(frozen=True, slots=True)
class Subject:
    figure: str
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class Idea:
    """A prompt, understood. Empty where it says nothing; `essence` stands for the words we don't know."""

    subjects: tuple[Subject, ...] = ()
    place: str = ""
    season: str = ""
    weather: str = ""
    time: str = ""
    styles: tuple[str, ...] = ()
    flowers: Colour | None = None
    tint: Colour | None = None
    riding: bool = False
    stars: bool = False
    essence: str = ""


def rng_of(*seeds: object) -> np.random.Generator:
    """A generator that depends on nothing but `seeds`."""
    digest = hashlib.blake2b("\x1f".join(str(seed) for seed in seeds).encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _known(word: str, table: Mapping[str, object]) -> str | None:
    """The word as the table has it, its plural undone; None where it isn't there."""
    forms = [
        word,
        word.removesuffix("s"),
        word.removesuffix("es"),
        re.sub("ves$", "f", word),
        re.sub("ies$", "y", word),
    ]
    return next((form for form in forms if form in table), None)


def understand(prompt: str, negative: str = "") -> Idea:
    """What `prompt` asks for, without what `negative` names."""
    unwanted = set(words_of(negative))
    words = [word for word in words_of(prompt) if word not in unwanted]
    traits = _traits(words)
    subjects, flowers, tint = _subjects(words)
    unknown = [w for w in words if not _is_known(w)]
    return Idea(
        subjects=_unless_scenery(subjects)[:5],
        place=traits.get("place", ""),
        season=traits.get("season", ""),
        weather=traits.get("weather", ""),
        time=traits.get("time", ""),
        styles=tuple(dict.fromkeys(_styles(words))),
        flowers=flowers,
        tint=tint,
        riding="riding" in words or "rides" in words,
        stars=bool({"star", "stars", "starry", "aurora"} & set(words)),
        essence=" ".join(sorted(unknown)),
    )


def _traits(words: Iterable[str]) -> dict[str, str]:
    """The first word that fills a slot decides it, save that snow outdoes every other season."""
    found: dict[str, str] = {}
    for word in words:
        known = _known(word, TRAITS)
        if known:
            slot, value = TRAITS[known]
            if value == "winter":
                found[slot] = value
            found.setdefault(slot, value)
    return found


def _styles(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        known = _known(word, TRAITS)
        if known and TRAITS[known][0] == "style":
            yield TRAITS[known][1]


def _subjects(words: list[str]) -> tuple[list[Subject], Colour | None, Colour | None]:
    """Subjects with their colours, the colour of the flowers, and a colour that belongs to no noun."""
    subjects: list[Subject] = []
    named: dict[str, str] = {}
    flowers = colour = None
    count = 1
    for word in words:
        figure = _known(word, SUBJECTS)
        trait = _known(word, TRAITS)
        if word in COLOURS:
            colour = COLOURS[word]
        elif word in NUMBERS:
            count = NUMBERS[word]
        elif figure and named.setdefault(SUBJECTS[figure], figure) == figure:
            # "a cup of coffee" names its one cup twice, "a cat and a cat" are two.
            plural = word != figure and word.endswith("s") and count == 1
            subjects += [Subject(SUBJECTS[figure], colour)] * (2 if plural else count)
            colour, count = None, 1
        elif word in ("hair", "fur", "coat") and subjects:
            wearer = next((i for i, s in enumerate(subjects) if s.figure not in SCENERY), 0)
            subjects[wearer], colour = (
                replace(subjects[wearer], colour=colour or subjects[wearer].colour),
                None,
            )
        elif word == "eyes":
            colour = None
        elif trait and TRAITS[trait][1] == "bloom":
            flowers, colour = colour or flowers, None
    return subjects, flowers, colour


def _unless_scenery(subjects: list[Subject]) -> tuple[Subject, ...]:
    """Where somebody lives, plants belong to the landscape, and a building stands behind."""
    living = [subject for subject in subjects if subject.figure not in SCENERY]
    buildings = [subject for subject in subjects if subject.figure in SCENERY - PLANTS]
    return (*living, *buildings) if living or buildings else tuple(subjects)


def _is_known(word: str) -> bool:
    return bool(
        word in FILLERS
        or word in COLOURS
        or word in NUMBERS
        or _known(word, SUBJECTS)
        or _known(word, TRAITS)
    )
