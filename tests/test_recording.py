"""A video of what a session shows."""

import errno
import gc

import av
import numpy as np
import pytest

from fer_core.errors import StorageError
from fer_core.inference import recording
from fer_core.inference.recording import Recording


def picture(value=0, size=(48, 64)):
    return np.full((*size, 3), value, np.uint8)


def frames(path):
    with av.open(str(path)) as container:
        return [(round(float(f.time), 3), f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def test_the_video_keeps_the_moments_and_the_pictures():
    video = Recording()
    moments = [0, 0.033, 0.2, 0.21, 1.0]
    for place, at in enumerate(moments):
        video.write(picture(50 * place), 1000 + at)
    path = video.finish()
    shown = frames(path)
    assert [at for at, _ in shown] == moments and video.seconds == pytest.approx(1.0)
    assert [round(image.mean() / 50) for _, image in shown] == [0, 1, 2, 3, 4]
    video.delete()
    assert not path.exists()


def test_odd_sizes_and_a_phone_that_is_turned():
    video = Recording()
    for place, size in enumerate([(49, 65), (65, 49), (480, 640)]):
        video.write(picture(99, size), place / 10)
    assert {image.shape for _, image in frames(video.finish())} == {(48, 64, 3)}


def test_time_that_stands_still_or_goes_back_adds_nothing():
    video = Recording()
    for at in (5.0, 5.0, 4.0, 5.1):
        video.write(picture(), at)
    assert [at for at, _ in frames(video.finish())] == [0, 0.1]


def test_a_recording_that_nobody_ends_stops_by_itself(monkeypatch):
    monkeypatch.setattr(recording, "MOST_SECONDS", 0.5)
    video = Recording()
    for place in range(10):
        video.write(picture(), place / 10)
    assert not video.running and len(frames(video.finish())) == 6


def test_a_full_disk_stops_it_with_words_and_keeps_what_there_is(monkeypatch):
    video = Recording()
    for place in range(3):
        video.write(picture(40), place / 10)

    def full(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Recording, "_encode", full)
        with pytest.raises(StorageError, match="No space left on device.*What was recorded so far is kept"):
            video.write(picture(), 0.3)
    video.write(picture(), 0.4)
    assert not video.running and len(frames(video.finish())) == 3


def test_no_room_for_a_file_is_told(monkeypatch):
    def refuse(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording.tempfile, "mkstemp", refuse)
    with pytest.raises(StorageError, match="Make room on the disk"):
        Recording()


def test_nothing_recorded_is_no_file_and_nothing_stays():
    video = Recording()
    path = video._path
    assert video.finish() is None and path.exists()
    del video
    gc.collect()
    assert not path.exists()
