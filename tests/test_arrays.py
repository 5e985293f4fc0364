"""Arrays for training: built once by the one preprocessing, never trusted blindly."""

import os

import numpy as np
import pytest
from drawn_fer2013 import filled, pictures

from fer_core import workspace
from fer_core.dataset import arrays, ledger, versions
from fer_core.errors import BadInput, NotFound, StorageError
from fer_core.imaging import landmarks
from fer_core.imaging.decode import decode_image
from fer_core.imaging.preprocess import InputSpec, to_input

SPECS = [InputSpec(8, 8, 1), InputSpec(8, 8, 3), InputSpec(16, 12, 1), InputSpec(48, 48, 3, scale=1.3)]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path / "workspace"))
    return filled(tmp_path, 40)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_rows_are_what_to_input_gives(store, spec):
    frame = versions.manifest(store, "faces").sample(frac=1, random_state=3)
    array = arrays.build(store, frame, spec)
    assert array.shape == (40, *spec.shape) and array.dtype == np.uint8
    data = store.image_bytes(frame["image"])
    for row, image in zip(array, frame["image"], strict=True):
        np.testing.assert_array_equal(row, to_input(decode_image(data[image]), None, spec))


def test_golden_pixels(store):
    array = arrays.build(store, versions.manifest(store, "faces"), InputSpec(8, 8, 1))
    np.testing.assert_array_equal(array[..., 0], pictures(40))


def test_a_picture_may_occur_twice(store):
    frame = versions.manifest(store, "faces").iloc[[5, 2, 5]]
    array = arrays.build(store, frame, InputSpec(8, 8, 1))
    np.testing.assert_array_equal(array[..., 0], pictures(40)[[5, 2, 5]])


def test_the_second_time_reads_no_picture(store, monkeypatch):
    frame = versions.manifest(store, "faces")
    first = arrays.build(store, frame, SPECS[0])
    ledger.relabel(store, [(1, "happy")], "Ada")
    monkeypatch.setattr(arrays, "decode_image", lambda data: pytest.fail("read again"))
    np.testing.assert_array_equal(arrays.build(store, versions.manifest(store, "faces"), SPECS[0]), first)


def test_it_cannot_be_written_to(store):
    with pytest.raises(ValueError, match="read-only"):
        arrays.build(store, versions.manifest(store, "faces"), SPECS[0])[0] = 0


@pytest.mark.parametrize("damage", ["cut", "longer", "changed", "empty"])
def test_a_damaged_cache_is_made_again(store, tmp_path, damage):
    frame = versions.manifest(store, "faces")
    good = np.array(arrays.build(store, frame, SPECS[0]))
    (path,) = (tmp_path / "workspace" / "cache").iterdir()
    content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[:-100],
            "longer": content + b"x",
            "changed": content[:50] + bytes([content[50] ^ 1]) + content[51:],
            "empty": b"",
        }[damage]
    )
    np.testing.assert_array_equal(arrays.build(store, frame, SPECS[0]), good)
    assert path.read_bytes() == content


def test_an_interrupted_build_leaves_nothing(store, tmp_path):
    def stop(done, total, text):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        arrays.build(store, versions.manifest(store, "faces"), SPECS[0], stop)
    assert list((tmp_path / "workspace" / "cache").iterdir()) == []


def test_progress_counts_to_the_end(store):
    seen = []
    arrays.build(store, versions.manifest(store, "faces"), SPECS[0], lambda *step: seen.append(step))
    assert seen[-1] == (40, 40, "40 of 40 pictures")


def test_errors_of_build(store, monkeypatch):
    frame = versions.manifest(store, "faces")
    with pytest.raises(BadInput, match="0 rows"):
        arrays.build(store, frame[:0], SPECS[0])
    with pytest.raises(NotFound, match="image='nowhere'"):
        arrays.build(store, frame.assign(image="nowhere"), SPECS[0])

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        arrays.build(store, frame, SPECS[0])


def test_a_stored_picture_that_is_damaged_is_named(store):
    image = versions.manifest(store, "faces")["image"][0]
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE image_data SET data = X'0102' WHERE image = ?", (image,))
    with pytest.raises(BadInput, match=image):
        arrays.build(store, versions.manifest(store, "faces"), SPECS[0])


def test_landmarks_are_found_once_for_each_picture_and_kept(store, monkeypatch):
    spec = InputSpec(48, 48, 1, landmarks=True)
    frame = versions.manifest(store, "faces").iloc[[5, 2, 5]]
    images = arrays.build(store, frame, spec)
    asked = []
    monkeypatch.setattr(
        arrays, "points_of", lambda crops: asked.append(len(crops)) or landmarks.of_crops(crops)
    )
    points = arrays.landmarks(images, frame, spec)
    assert asked == [2] and points.shape == (3, 68, 2) and points.dtype == np.float32
    np.testing.assert_array_equal(points, landmarks.of_crops(images))
    np.testing.assert_array_equal(arrays.landmarks(images, frame, spec), points)
    assert asked == [2]
    (kept,) = workspace.folder("cache").glob("*.landmarks.npy")
    kept.write_bytes(b"damaged")
    np.testing.assert_array_equal(arrays.landmarks(images, frame, spec), points)
    assert asked == [2, 2]


def test_pictures_are_shared_between_networks_with_landmarks_and_without(store):
    frame = versions.manifest(store, "faces")
    arrays.build(store, frame, InputSpec(48, 48, 1))
    arrays.build(store, frame, InputSpec(48, 48, 1, landmarks=True))
    assert len(list(workspace.folder("cache").glob("*.u8"))) == 1
