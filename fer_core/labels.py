"""Label sets: the names of expressions, their order, colours and aliases.

Files, cards and the database store label names, never class numbers: numbers mean
something only together with the LabelSet that gives their order.
"""

import colorsys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from fer_core.errors import BadInput, NotFound

NOT_A_FACE = "not a face"
UNSURE = "unsure"
UNKNOWN = "none of these"
"""What a taught model answers to a face that is like none of its examples; people never label so."""

ALIASES = MappingProxyType(
    {
        "angry": ("anger", "an", "ang"),
        "disgust": ("disgusted", "di", "dis"),
        "fear": ("afraid", "fearful", "scared", "fe", "fea"),
        "happy": ("happiness", "joy", "ha", "hap", "smile"),
        "sad": ("sadness", "sa"),
        "surprise": ("surprised", "su", "sur", "suprise"),
        "neutral": ("neutrality", "calm", "ne", "neu"),
        "contempt": ("contemptuous", "co", "con"),
        NOT_A_FACE: ("nf", "noface", "no face", "not_a_face"),
        UNSURE: ("unknown", "uncertain"),
    }
)
"""Other spellings of each name, lower case."""

COLOURS = MappingProxyType(
    {
        "angry": "#D55E00",
        "disgust": "#009E73",
        "fear": "#CC79A7",
        "happy": "#F0E442",
        "sad": "#0072B2",
        "surprise": "#E69F00",
        "neutral": "#8C8C8C",
        "contempt": "#56B4E9",
    }
)
"""One colour per expression, safe for colour-blind eyes on light and dark.

Source: Okabe & Ito, Color Universal Design (2008), with a middle grey for neutral.
"""

_GREY = (NOT_A_FACE, UNSURE, UNKNOWN)

_CANONICAL = {alias: name for name, aliases in ALIASES.items() for alias in (name, *aliases)}


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of expression names; position in `names` is the class index."""

    name: str
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, label: object) -> bool:
        return label in self.names

    def index(self, label: str) -> int:
        """Class index of a label or one of its aliases.

        Raises:
            BadInput: the label is not in this set.
        """
        try:
            return self.names.index(canonical(label))
        except ValueError:
            raise BadInput(
                f"Labels of this set are: {', '.join(self.names)}. Received: {label!r}. "
                "Rename it or leave it out."
            ) from None

    def map_to(self, other: "LabelSet") -> tuple[int | None, ...]:
        """For each class here, its index in `other`, or None where `other` has no such class."""
        return tuple(other.names.index(n) if n in other else None for n in self.names)


def canonical(label: str) -> str:
    """The project's name for a label in any usual spelling; an unknown label comes back cleaned.

    >>> canonical(" Happiness ")
    'happy'
    """
    cleaned = " ".join(label.strip().lower().replace("_", " ").split())
    return _CANONICAL.get(cleaned, cleaned)


def colour(label: str) -> str:
    """Hex colour of an expression; names of a user's own get one from their letters, always the same.

    Grey stands for none: no label, and what is no expression.
    """
    name = canonical(label)
    if name in COLOURS:
        return COLOURS[name]
    if not name or name in _GREY:
        return "#6B7280"
    # In between the lightness of black and of white: it stands out from both.
    rgb = colorsys.hls_to_rgb(zlib.crc32(name.encode()) % 360 / 360, 0.45, 0.45)
    return "#" + "".join(f"{round(255 * part):02X}" for part in rgb)


def custom(names: Iterable[str], name: str = "custom") -> LabelSet:
    """A label set of a user's own names, spelt the project's way where it knows them.

    Raises:
        BadInput: fewer than two distinct names.
    """
    distinct = tuple(dict.fromkeys(canonical(n) for n in names))
    if len(distinct) < 2:
        raise BadInput(f"A label set needs at least two names. Received: {distinct}.")
    return LabelSet(name, distinct)


def get(name: str) -> LabelSet:
    """The registered label set of that name.

    Raises:
        NotFound: no such set.
    """
    if name not in LABEL_SETS:
        raise NotFound.of("label set", name, LABEL_SETS)
    return LABEL_SETS[name]


FER7 = LabelSet("fer7", ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))
"""FER2013's classes in the order of its numbers. Source: Goodfellow et al. 2013, arXiv:1307.0414."""

AFFECTNET8 = LabelSet(
    "affectnet8",
    ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt"),
)
"""AffectNet's eight classes by number. Source: Mollahosseini et al. 2017, arXiv:1708.03985."""

FERPLUS8 = LabelSet(
    "ferplus8",
    ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt"),
)
"""The eight expressions of FER+ in the order of its columns.

Source: Barsoum et al. 2016, arXiv:1608.01041.
"""

LABEL_SETS = MappingProxyType({s.name: s for s in (FER7, AFFECTNET8, FERPLUS8)})
