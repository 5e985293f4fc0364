"""What a form of dataset is: how it is told from others, and what it says about each picture."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fer_core.dataset.importers.source import Source
from fer_core.labels import LabelSet


class Found(NamedTuple):
    """One picture as a form describes it, before its file is read.

    Attributes:
        source: key of the sample within its dataset: the same files give the same keys each time.
        path: the entry of the source that holds the picture.
        label: the class as the source names it ("happy", "0", "AN", "Happiness"); None for none.
        split: "train", "validation", "test" or "none"; None where the source does not say.
        subject: who is shown, where the source says.
        valence, arousal: -1..1.
        votes: raters per label, as the source names the labels.
        data: the encoded picture, where it stands within a list; None reads the entry.
    """

    source: str
    path: str
    label: str | None
    split: str | None = None
    subject: str | None = None
    valence: float | None = None
    arousal: float | None = None
    votes: dict[str, int] | None = None
    data: bytes | None = None


@dataclass
class Reading:
    """All that a form says of a source.

    Attributes:
        found: the pictures, in a fixed order; may be run through several times.
        names: class as the source names it -> the project's name ("0" -> "angry"), for classes whose
            spelling `labels.canonical` does not know; None leaves the class out.
        label_set: the published set of this form; None is derived from the classes that are found.
        problems: rows and files that cannot be used: what is wrong -> the first few of them.
    """

    found: Callable[[], Iterator[Found]]
    names: dict[str, str | None] = field(default_factory=dict)
    label_set: LabelSet | None = None
    problems: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Form:
    """One form in which datasets are published.

    Attributes:
        key: its name on the command line.
        title: its name for people.
        sentence: what it looks like, in one sentence.
        fits: how well a source fits: 0 not at all, 1 it could be read so, up to 9 for an unmistakable mark.
            Looks at names and first bytes only.
        read: reads lists and names, no pictures.
    """

    key: str
    title: str
    sentence: str
    fits: Callable[[Source], int]
    read: Callable[[Source], Reading]
