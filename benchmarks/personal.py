"""What a few neutral photos of a person bring: accuracy on the person's other photos, before and after.

    python -m benchmarks.personal --data FOLDER [--models ID ...]

FOLDER holds jaffe.zip: ten women who pose seven expressions, about three times each. Every choice of 1, 2 or
3 neutral photos of a woman shifts the answers for all her other photos. Figures are means over the women; a
gain has the 95 % interval of that mean. The rows of a model:

shift           as the app does it (fewshot/personal.py)
chosen          share of neutral and strength chosen for each woman on the other nine
another woman's the control: her answers are shifted by the neutral photos of somebody else, so what it gains
                is owed to the camera and the studio, not to her
embeddings      the nearest of the other nine women's means, as they are and with each woman's neutral
                embedding taken off
"""

import argparse
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np

from fer_core import labels
from fer_core.dataset.importers.forms import jaffe
from fer_core.fewshot import personal
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import to_input
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

MODELS = ("mini_xception_ferplus", "mini_xception_raw")
SHARES, STRENGTHS = (0.2, 0.35, 0.5, 0.65, 0.8), (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)


@dataclass(frozen=True, eq=False)
class Faces:
    """JAFFE: (N,) names of expressions and of women, and where the faces are."""

    said: np.ndarray
    women: np.ndarray
    pictures: list[np.ndarray]
    boxes: list

    def neutral(self, woman: str, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Every choice of so many of her neutral photos, beside all her others."""
        hers = np.flatnonzero(self.women == woman)
        chosen = combinations(hers[self.said[hers] == personal.NEUTRAL], count)
        return [(np.array(some), np.setdiff1d(hers, some)) for some in chosen]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.personal")
    parser.add_argument("--data", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="ID")
    options = parser.parse_args(arguments)
    faces = read(options.data / "jaffe.zip")
    print(f"{len(faces.said)} photos of {len(np.unique(faces.women))} women\n")
    print("| model | neutral photos | | before | after | gain, points | neutral still named |")
    print("|---|---|---|---|---|---|---|")
    for name in options.models:
        predictor = Predictor.load(library.find(name).folder)
        crops = zip(faces.pictures, faces.boxes, strict=True)
        batch = np.stack([to_input(picture, box, predictor.card.input) for picture, box in crops])
        told, features = predictor.predict(batch), unit(predictor.embed(batch))
        for count in (1, 2, 3):
            rows = shifts(faces, predictor, told, count) | {"embeddings": by_means(faces, features, count)}
            for kind, hits in rows.items():
                print(f"| {name} | {count} | {kind} | {line(hits)} |", flush=True)


def read(path: Path) -> Faces:
    """JAFFE, with the largest face of each photo."""
    with zipfile.ZipFile(path) as file:
        named = {name: found for name in file.namelist() if (found := jaffe._NAME.search(name))}
        pictures = [decode_image(file.read(name)) for name in named]
    find = detectors.get().detect
    return Faces(
        np.array([labels.canonical(found[2]) for found in named.values()]),
        np.array([found[1].upper() for found in named.values()]),
        pictures,
        [max(find(picture), key=lambda face: face.box.width) for picture in pictures],
    )


def shifts(faces: Faces, predictor: Predictor, told: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """`Hits` of the ways to shift the model's own answer."""
    names = np.array(predictor.labels.names)
    logs = np.log(np.maximum(told, 1e-12))

    def before(chosen: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return names[logs[rest].argmax(axis=1)] == faces.said[rest]

    def asked(usual: np.ndarray, strength: float, others: bool = False) -> np.ndarray:
        def right(chosen: np.ndarray, rest: np.ndarray) -> np.ndarray:
            moved = personal.offset(told[chosen], usual, 1.0, strength)
            return names[(logs[rest] + moved).argmax(axis=1)] == faces.said[rest]

        return hits(faces, count, before, right, others)

    def shifted(share: float, strength: float) -> np.ndarray:
        rest = (1 - share) / (len(names) - 1)
        return asked(np.where(names == personal.NEUTRAL, share, rest), strength)

    usual = personal.usual_answer(predictor.card)
    grid = {(a, b): shifted(a, b) for a, b in product(SHARES, STRENGTHS)}
    chosen = np.empty_like(grid[SHARES[0], 0.0])
    for woman in range(len(chosen)):
        best = max(grid.values(), key=lambda found: np.delete(found, woman, axis=0)[:, 1].mean())
        chosen[woman] = best[woman]
    return {
        "shift": asked(usual, personal.STRENGTH),
        "chosen": chosen,
        "another woman's": asked(usual, personal.STRENGTH, others=True),
    }


def by_means(faces: Faces, features: np.ndarray, count: int) -> np.ndarray:
    """`Hits` of the nearest mean of the other women, as it is and from each one's own neutral embedding."""
    women = np.unique(faces.women)
    rest_of = {
        who: features[(faces.women == who) & (faces.said == personal.NEUTRAL)].mean(0) for who in women
    }
    away = features - np.stack([rest_of[who] for who in faces.women])
    names = np.unique(faces.said)

    def nearest(known: np.ndarray, asked: np.ndarray, woman: str) -> np.ndarray:
        others = faces.women != woman
        means = np.stack([known[others & (faces.said == name)].mean(axis=0) for name in names])
        return names[np.square(asked[:, None] - means[None]).sum(axis=2).argmin(axis=1)]

    def before(chosen: np.ndarray, rest: np.ndarray) -> np.ndarray:
        return nearest(features, features[rest], faces.women[rest[0]]) == faces.said[rest]

    def after(chosen: np.ndarray, rest: np.ndarray) -> np.ndarray:
        moved = features[rest] - features[chosen].mean(axis=0)
        return nearest(away, moved, faces.women[rest[0]]) == faces.said[rest]

    return hits(faces, count, before, after)


Right = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From the neutral photos and the photos that are asked about to (A,) bool, which are named right."""


def hits(faces: Faces, count: int, before: Right, after: Right, others: bool = False) -> np.ndarray:
    """(women, 4) shares named right: of all photos before and after, of the neutral ones before and after.

    Args:
        others: the neutral photos are those of each other woman in turn.
    """
    women, table = np.unique(faces.women), []
    for woman in women:
        found = []
        for own, rest in faces.neutral(woman, count):
            lenders = [who for who in women if who != woman] if others else []
            lent = [chosen for who in lenders for chosen, _ in faces.neutral(who, count)]
            for chosen in lent or [own]:
                pair = before(chosen, rest), after(chosen, rest)
                still = faces.said[rest] == personal.NEUTRAL
                kept = [some[still].mean() if still.any() else np.nan for some in pair]
                found.append([*(some.mean() for some in pair), *kept])
        table.append(np.mean(found, axis=0))
    return np.array(table)


def unit(features: np.ndarray) -> np.ndarray:
    """(N, E) of length one."""
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def line(found: np.ndarray) -> str:
    """The cells of a row: means over the women, and the mean gain."""
    known = found[~np.isnan(found[:, 3]), 3]
    still = f"{known.mean():.0%}" if len(known) else "–"
    gain = interval(found[:, 1] - found[:, 0])
    return f"{found[:, 0].mean():.1%} | {found[:, 1].mean():.1%} | {gain} | {still}"


def interval(shares: np.ndarray) -> str:
    """The mean over people in percent, with half of its 95 % interval (Student's t)."""
    from scipy import stats  # type: ignore[import-untyped]

    half = stats.t.ppf(0.975, len(shares) - 1) * shares.std(ddof=1) / len(shares) ** 0.5
    return f"{100 * shares.mean():.1f} ± {100 * half:.1f}"


if __name__ == "__main__":
    main()
