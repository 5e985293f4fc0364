"""Near copies: found where they are, and nowhere else."""

import time

import cv2
import numpy as np
import pytest

from fer_core.dataset import duplicates, practice, versions
from fer_core.dataset.duplicates import Pairs, near_copies
from fer_core.dataset.store import Store
from fer_core.imaging.decode import decode_image, encode_jpeg
from fer_core.imaging.preprocess import InputSpec, to_input

SMALL = 210
THUMB = InputSpec(16, 16, 1)


def brighter(face):
    return cv2.convertScaleAbs(face, alpha=0.8, beta=35)


def compressed(face):
    return decode_image(encode_jpeg(face, 45))


def cut(face):
    edge = round(0.03 * len(face))
    return cv2.resize(face[edge:, edge:], face.shape[:2])


def mirrored(face):
    return np.ascontiguousarray(face[:, ::-1])


def smaller(face):
    return cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA)


def noisy(face):
    grain = np.random.default_rng(0).normal(0, 4, face.shape)
    return (face + grain).clip(0, 255).astype(np.uint8)


CHANGES = (brighter, compressed, cut, mirrored, smaller, noisy)


@pytest.fixture(scope="module")
def faces():
    """(SMALL, 96, 96, 3) faces, no two of them copies."""
    planned = practice.plan(SMALL)
    drawn = practice.pictures(planned)
    return [f for p, (f, _) in zip(planned, drawn, strict=True) if not p.twin_of and not p.leak_of]


def found(pictures) -> tuple[set[tuple[int, int]], dict[int, int]]:
    """Confirmed pairs, and the groups that they make."""
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in pictures]
    thumbs = np.stack([to_input(p, None, THUMB)[..., 0] for p in grey])
    pairs = duplicates.confirmed(duplicates.candidates(thumbs), lambda numbers: {n: grey[n] for n in numbers})
    groups = duplicates.clusters(pairs, thumbs)
    return set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)), groups


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_changed_copies_are_found_and_hardly_anything_else(faces, change):
    chosen = list(range(0, len(faces), 4))
    _, groups = found([*faces, *(change(faces[n]) for n in chosen)])
    copies = [(n, len(faces) + place) for place, n in enumerate(chosen)]
    hits = sum(groups.get(n) is not None and groups.get(n) == groups.get(copy) for n, copy in copies)
    assert hits / len(copies) >= 0.95
    wrong = set(groups) - {number for pair in copies for number in pair}
    assert len(wrong) <= 0.03 * len(faces)


def test_the_twins_and_the_leak_of_practice(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    practice.import_practice(store, count=350)
    frame = versions.manifest(store, practice.NAME)
    planned = practice.plan(350)
    image = dict(zip((p.source for p in planned), frame["image"], strict=True))
    twins = {(image[p.source], image[p.twin_of]) for p in planned if p.twin_of}
    copies = near_copies(store, practice.NAME)
    assert all(copies.group.get(a, a) == copies.group.get(b, b) for a, b in twins), "recall 1"
    true = {image for pair in twins for image in pair}
    assert len(true & copies.group.keys()) / len(copies.group) >= 0.85, "precision"
    assert copies.likeness.keys() == copies.group.keys()
    assert all(duplicates.SAME_DETAIL <= like <= 1 for like in copies.likeness.values())


def test_blank_pictures_are_nobodys_copies(faces):
    blank = [np.full_like(faces[0], level) for level in (0, 40, 41, 255)]
    _, groups = found([*faces[:20], *blank])
    assert not groups.keys() & set(range(20, 24))


def test_a_chain_of_small_steps_does_not_join_unlike_pictures():
    thumbs = np.random.default_rng(0).integers(0, 256, (3, 16, 16), np.uint8)
    alike = thumbs.copy()
    alike[1], alike[2] = alike[0] // 2 + 60, alike[0] // 3 + 90
    order = np.array([0, 1]), np.array([1, 2]), np.zeros(2, bool), np.array([0.99, 0.98], np.float32)
    assert duplicates.clusters(Pairs(*order), thumbs) == {0: 0, 1: 0}
    assert duplicates.clusters(Pairs(*order), alike) == {0: 0, 1: 0, 2: 0}


def test_nothing_and_one_picture_have_no_copies():
    for count in (0, 1):
        assert len(duplicates.candidates(np.zeros((count, 16, 16), np.uint8) + 7)) == 0
    assert duplicates.clusters(duplicates._no_pairs(), np.zeros((0, 16, 16), np.uint8)) == {}


def test_many_copies_of_one_picture_are_one_group(faces):
    random = np.random.default_rng(0)
    grey = [cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in faces]
    thumbs = np.stack([to_input(face, None, THUMB)[..., 0] for face in grey])
    copies = (thumbs[0] + random.integers(-2, 3, (len(faces), 16, 16))).clip(0, 255).astype(np.uint8)
    pairs = duplicates.candidates(np.concatenate([copies, thumbs]))
    pairs = pairs.where(pairs.second < len(copies))
    assert len(pairs) < len(copies) ** 2 / 2
    groups = duplicates.clusters(pairs, copies)
    assert set(groups.values()) == {0} and len(groups) == len(copies)


def test_candidates_grow_hardly_faster_than_the_pictures():
    random = np.random.default_rng(0)
    waves = cv2.GaussianBlur(random.normal(0, 400, (16, 16, 24)), (0, 0), 2).reshape(256, 24)
    pictures = random.normal(0, 0.3, (15_000, 24)) @ waves.T + random.normal(128, 6, (15_000, 256))
    pictures = pictures.clip(0, 255).astype(np.uint8).reshape(-1, 16, 16)
    seconds = {}
    for count in (1_500, 15_000):
        started = time.process_time()
        duplicates.candidates(pictures[:count])
        seconds[count] = time.process_time() - started
    assert seconds[15_000] < 40 * seconds[1_500], "each with each would take 100 times as long"


def test_stopping_goes_through(tmp_path):
    store = Store.open(tmp_path / "studio.db")
    practice.import_practice(store, count=28)

    def stop(done, total, text):
        if text == "looking for near copies":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        near_copies(store, practice.NAME, progress=stop)
