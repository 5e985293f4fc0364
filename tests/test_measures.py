"""What is measured of a picture, once, block by block."""

import numpy as np
import pytest
import sqlalchemy as sa
from skimage import data

from fer_core.dataset import measures, practice, schema
from fer_core.dataset.measures import measure
from fer_core.dataset.store import Store
from fer_core.errors import NotFound
from fer_core.imaging.decode import decode_image
from tests import drawn_fer2013


@pytest.fixture
def store(tmp_path):
    return drawn_fer2013.filled(tmp_path)


def stored(store) -> dict[str, sa.Row]:
    with store.read() as connection:
        return {row.image: row for row in connection.execute(sa.select(schema.measure))}


def test_light_and_contrast_are_those_of_the_pixels(store):
    assert measure(store, "faces") == 40
    rows = stored(store)
    for image, encoded in store.image_bytes(rows).items():
        grey = decode_image(encoded)[..., 0]
        assert rows[image].brightness == pytest.approx(grey.mean())
        assert rows[image].contrast == pytest.approx(grey.std())
        assert len(rows[image].hash) == 256 and rows[image].faces is None


def test_what_was_measured_is_not_measured_again(store):
    seen = []
    assert measure(store, "faces", progress=lambda *step: seen.append(step)) == 40
    assert seen[-1] == (40, 40, "40 of 40 pictures measured")
    assert measure(store, "faces") == 0
    assert measure(store, "faces", faces=True) == 40
    assert {row.faces for row in stored(store).values()} == {0}, "noise shows no face"
    assert measure(store, "faces", faces=True) == measure(store, "faces") == 0


def test_a_stop_keeps_whole_blocks_and_the_rest_follows(store, monkeypatch):
    monkeypatch.setattr(measures, "_BLOCK", 16)

    def stop(done, total, text):
        if done > 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(store, "faces", progress=stop)
    assert len(stored(store)) == 16
    assert measure(store, "faces") == 24 and len(stored(store)) == 40


def test_a_count_of_faces_outlives_a_new_measure(store):
    measure(store, "faces", faces=True)
    (image, *_), before = list(stored(store)), stored(store)
    measures._put(store, [{**before[image]._mapping, "brightness": 7.0, "faces": None}])
    assert stored(store)[image].brightness == 7 and stored(store)[image].faces == 0


def test_sharpness_is_comparable_across_sizes():
    photo = data.astronaut()[0:210, 120:330]
    row = {side: _sharpness(photo, side) for side in (96, 128, 210)}
    assert max(row.values()) < 1.6 * min(row.values())
    blurred = _sharpness(_blurred(photo, 6), 210)
    assert blurred < 0.25 * min(row.values())


def test_a_face_that_fills_its_crop_is_found():
    crop = data.astronaut()[60:175, 165:280]
    assert measures.faces_of(crop) == 1
    assert measures.faces_of(np.full_like(crop, 90)) == 0


def test_an_unknown_dataset_is_refused(tmp_path):
    with pytest.raises(NotFound, match="none"):
        measure(Store.open(tmp_path / "empty.db"), "faces")


def test_pictures_of_other_datasets_are_left_alone(store):
    practice.import_practice(store, count=14)
    assert measure(store, "faces") == 40 and measure(store, practice.NAME) == 14


def _sharpness(photo: np.ndarray, side: int) -> float:
    from fer_core.imaging.decode import encode_png
    from fer_core.imaging.preprocess import InputSpec, to_input

    small = to_input(photo, None, InputSpec(side, side, 3))
    return measures._row(("a", encode_png(small)), faces=False)["sharpness"]


def _blurred(photo: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(photo, (0, 0), sigma)
