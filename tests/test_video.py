"""A video in; an annotated copy, a table and a summary out."""

import csv
import json
import resource
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import SIZE, picture, write
from PIL import Image

from fer_core import workspace
from fer_core.errors import BadInput, StorageError
from fer_core.imaging import detectors
from fer_core.imaging.decode import decode_image
from fer_core.imaging.faces import Box, Face
from fer_core.inference import video, video_file, video_people
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library

UNEVEN = (0, 0.1, 0.15, 0.5, 0.9, 1.4, 1.45)


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(workspace.SHIPPED_MODELS / library.DEFAULT)


@pytest.fixture(scope="module")
def detector():
    return detectors.get(detectors.DEFAULT)


@pytest.fixture(scope="module")
def made(tmp_path_factory, predictor, detector):
    """Two faces for two seconds, then nobody, with sound; annotated once for several tests."""
    folder = tmp_path_factory.mktemp("video")
    source = write(folder / "two.mp4", 3, 10, sound="aac", faces=2, size=(480, 320), empty_after=2.0)
    told = []
    summary = video.annotate(
        source,
        folder / "out.mp4",
        predictor,
        detector,
        table=folder / "faces.csv",
        progress=lambda share, text: told.append((share, text)),
    )
    return folder, summary, told


def times(path):
    with av.open(str(path)) as container:
        return [round(frame.time, 3) for frame in container.decode(video=0)]


def tone(path):
    """Loudest frequency, Hz, and length, s, of the sound."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    rate = frames[0].sample_rate
    wave = np.concatenate([frame.to_ndarray()[0] for frame in frames]).astype(float)
    spectrum = np.abs(np.fft.rfft(wave))
    return spectrum.argmax() * rate / len(wave), len(wave) / rate


def rewritten(source, target):
    """A copy without faces to look for: what is read and written, and nothing else."""
    with video_file.rewriting(video.probe(source), target) as copy:
        for _, image in copy.frames():
            copy.put(image)
    return target


def test_every_face_is_followed_read_and_drawn(made):
    folder, summary, _ = made
    one, two = summary.people
    assert (one.number, two.number) == (1, 2)
    assert one.first == 0 and 1.6 <= one.last < 2.0
    assert one.foremost == "happy" and one.shares["happy"] > 0.9 and one.means["happy"] > 0.9
    assert one.unsure == pytest.approx(1 - sum(one.shares.values()))
    assert one.valence > 0.6 and one.arousal > 0.3
    peak = one.peaks["happy"]
    assert one.first <= peak.at <= one.last and peak.probability >= one.means["happy"]
    assert decode_image(peak.portrait).shape == (96, 96, 3)
    changed = np.abs(video.frame_at(folder / "out.mp4", 1.0).astype(int) - picture(1.0, 2, (480, 320)))
    assert (changed.max(axis=2) > 60).sum() > 500, "boxes are drawn"
    alone = np.abs(video.frame_at(folder / "out.mp4", 2.8).astype(int) - picture(2.8, 0, (480, 320)))
    assert alone.max() < 40, "nothing is drawn where nobody is"


def test_the_table_has_a_row_for_each_face_and_look(made):
    folder, summary, _ = made
    with (folder / "faces.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(person.looks for person in summary.people)
    moments = sorted({float(row["seconds"]) for row in rows})
    assert np.allclose(np.diff(moments), 0.2, atol=1e-3)
    first = rows[0]
    assert (first["face"], first["looks"], first["sure"]) == ("1", "happy", "True")
    assert sum(float(first[name]) for name in summary.labels) == pytest.approx(1, abs=1e-3)
    assert 0.6 < float(first["valence_derived"]) < 0.9
    middles = [float(row["x"]) + float(row["width"]) / 2 for row in rows[:2]]
    assert abs(middles[0] - middles[1]) == pytest.approx(240, abs=10), "px, as the two lie apart"


def test_progress_says_how_far_and_the_summary_survives_json(made):
    _, summary, told = made
    assert len(told) == summary.frames == 30
    assert [share for share, _ in told] == sorted(share for share, _ in told)
    assert told[-1][0] > 0.9 and told[-1][1] == "0:02 of 0:03"
    kept = json.loads(json.dumps(video_people.as_json(summary)))
    assert kept["schema_version"] == 1
    assert video_people.from_json(kept) == summary
    assert not summary.stopped and not summary.breaks_off and summary.sound == "aac"


@pytest.mark.parametrize(
    ("name", "how", "sound"),
    [
        ("copied.mp4", {"sound": "aac"}, "aac"),
        ("copied.avi", {"codec": "mpeg4", "sound": "libmp3lame"}, "mp3"),
        ("encoded.avi", {"codec": "mpeg4", "sound": "pcm_s16le"}, "aac"),
        ("copied.webm", {"codec": "libvpx", "size": (160, 120), "sound": "opus"}, "opus"),
    ],
)
def test_sound_is_kept(tmp_path, name, how, sound):
    source = write(tmp_path / name, 1.5, **how)
    copy = rewritten(source, tmp_path / "out.mp4")
    assert video.probe(copy).sound == sound and video.probe(copy).codec == "h264"
    pitch, seconds = tone(copy)
    assert pitch == pytest.approx(440, abs=3) and seconds == pytest.approx(1.5, abs=0.15)
    assert times(copy) == times(source)


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_video_that_lies_is_set_upright(tmp_path, rotation):
    source = write(tmp_path / "phone.mov", 0.3, rotation=rotation, size=(240, 320))
    with av.open(str(source)) as container:
        assert container.streams.video[0].width == (240 if rotation == 180 else 320), "it is stored lying"
    clip = video.probe(source)
    assert (clip.width, clip.height) == (240, 320)
    copy = rewritten(source, tmp_path / "out.mp4")
    assert video.probe(copy).rotation == 0
    shown = video.frame_at(copy, 0).astype(int)
    assert np.abs(shown - picture(0, size=(240, 320))).mean() < 6


@pytest.mark.parametrize("name", ["uneven.mp4", "uneven.mkv"])
def test_uneven_times_stay_as_they_are(tmp_path, name):
    source = write(tmp_path / name, times=UNEVEN)
    copy = rewritten(source, tmp_path / "out.mp4")
    assert times(copy) == list(UNEVEN)
    assert video.probe(copy).seconds > 1.45
    assert np.array_equal(video.frame_at(copy, 0.7), video.frame_at(copy, 0.5)), (
        "a frame stays until the next"
    )


def test_a_gif_has_no_sound_and_odd_sizes_lose_a_line(tmp_path):
    source = write(tmp_path / "moving.gif", 0.5, codec="gif", size=(161, 121))
    assert video.probe(source).sound is None
    copy = video.probe(rewritten(source, tmp_path / "out.mp4"))
    assert (copy.width, copy.height, copy.sound) == (160, 120, None)
    assert copy.seconds == pytest.approx(0.5)


def test_pixels_that_are_not_square_become_so(tmp_path):
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 240, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        narrow = np.array(Image.fromarray(picture(0)).resize((160, 240)))
        out.mux(stream.encode(av.VideoFrame.from_ndarray(narrow, format="rgb24")))
        out.mux(stream.encode(None))
    clip = video.probe(path)
    assert (clip.width, clip.height) == SIZE
    assert np.abs(video.frame_at(path, 0).astype(int) - picture(0)).mean() < 8


def test_what_is_no_video_is_told(tmp_path):
    whole = write(tmp_path / "whole.mp4", 0.5, sound="aac").read_bytes()
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "words.mp4").write_bytes(b"just words" * 500)
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "codec.mp4").write_bytes(whole.replace(b"avc1", b"zzzz"))
    (tmp_path / "folder.mp4").mkdir()
    Image.fromarray(picture(0)).save(tmp_path / "still.png")
    write(tmp_path / "wide.mkv", 0.1, codec="ffv1", size=(8400, 16))
    write(tmp_path / "tiny.mkv", 0.1, codec="ffv1", size=(8, 8))
    write_sound(tmp_path / "song.m4a", whole_of=tmp_path / "whole.mp4")
    for name, said in {
        "missing.mp4": "No such file",
        "empty.mp4": "0 bytes",
        "words.mp4": "cannot be opened",
        "cut.mp4": "broken off",
        "codec.mp4": "codec must be known",
        "folder.mp4": "cannot be opened",
        "still.png": "cannot be opened",
        "wide.mkv": "8400x16 px",
        "tiny.mkv": "8x8 px",
        "song.m4a": "sound only",
    }.items():
        with pytest.raises(BadInput, match=said):
            video.probe(tmp_path / name)


def write_sound(path, whole_of):
    """The sound of a video alone."""
    with av.open(str(whole_of)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)


@pytest.mark.parametrize(
    "words",
    ["#EXTM3U\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile {path}\n"],
    ids=["m3u8", "concat"],
)
def test_a_list_that_names_other_files_is_not_followed(tmp_path, words):
    path = write(tmp_path / "private.mp4", 0.2)
    (tmp_path / "list.mp4").write_text(words.format(path=path))
    with pytest.raises(BadInput, match="cannot be opened"):
        video.probe(tmp_path / "list.mp4")


def test_a_file_that_breaks_off_is_read_as_far_as_it_goes(tmp_path, predictor, detector):
    whole = write(tmp_path / "whole.mkv", 2).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) // 2])
    summary = video.annotate(tmp_path / "cut.mkv", tmp_path / "out.mp4", predictor, detector)
    assert summary.breaks_off and not summary.stopped
    assert 0 < len(times(tmp_path / "out.mp4")) == summary.frames < 20


def test_stop_keeps_what_is_done(tmp_path, predictor, detector):
    source = write(tmp_path / "long.mp4", 3, sound="aac")
    seen = []
    summary = video.annotate(
        source,
        tmp_path / "out.mp4",
        predictor,
        detector,
        table=tmp_path / "faces.csv",
        progress=lambda share, text: seen.append(share),
        stop=lambda: len(seen) >= 12,
    )
    assert summary.stopped and summary.frames == 12 and summary.seconds == pytest.approx(1.2)
    assert len(times(tmp_path / "out.mp4")) == 12
    last = (tmp_path / "faces.csv").read_text().splitlines()[-1]
    assert float(last.split(",")[0]) == pytest.approx(1.0)
    assert sorted(path.name for path in tmp_path.glob("*.part")) == []


def test_a_full_disk_is_told_and_leaves_everything_as_it_was(tmp_path, predictor, detector):
    source = write(tmp_path / "whole.mp4", 2, size=(640, 480))
    before = source.read_bytes()
    target = tmp_path / "out.mp4"
    target.write_bytes(b"an earlier result")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file may not grow beyond 8 KB: to the one who writes, the same as a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(StorageError, match="Nothing was kept, and the original is as it was"):
            video.annotate(source, target, predictor, detector, table=tmp_path / "faces.csv")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert source.read_bytes() == before and target.read_bytes() == b"an earlier result"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["out.mp4", "whole.mp4"]


def test_the_original_is_never_written_over(tmp_path, predictor, detector):
    source = write(tmp_path / "whole.mp4", 0.2)
    with pytest.raises(BadInput, match="another file"):
        video.annotate(source, source, predictor, detector)
    with pytest.raises(BadInput, match="is an mp4"):
        video.annotate(source, tmp_path / "out.avi", predictor, detector)
    with pytest.raises(BadInput, match="0 to 60 seconds"):
        video.Settings(every=-1)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_memory_does_not_grow_with_the_length(tmp_path, predictor):
    source = write(tmp_path / "long.mp4", 12, size=(480, 360))
    kept = []

    def told(share, text):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        kept.append(pages * resource.getpagesize() / 1e6)

    every = video.Settings(every=1.0)
    video.annotate(source, tmp_path / "out.mp4", predictor, Everyone(), every, progress=told)
    assert len(kept) == 120
    # A frame is 0.5 MB. The encoder looks some 40 frames ahead; after that nothing may be kept.
    assert max(kept[70:]) - max(kept[:70]) < 10


class Everyone:
    """A detector that finds a face in the middle of every picture it is shown."""

    name = "everyone"

    def __init__(self):
        self.looks = 0

    def detect(self, image):
        self.looks += 1
        height, width = image.shape[:2]
        side = height / 2
        return [Face(Box((width - side) / 2, (height - side) / 2, side, side), 1.0)]


@pytest.mark.parametrize(("every", "looks"), [(0, 20), (0.2, 10), (0.5, 4), (10, 1)])
def test_faces_are_looked_for_every_so_often(tmp_path, predictor, every, looks):
    source = write(tmp_path / "whole.mp4", 2)
    everyone = Everyone()
    summary = video.annotate(
        source, tmp_path / "out.mp4", predictor, everyone, video.Settings(every=every, threshold=1.0)
    )
    assert everyone.looks == looks
    (person,) = summary.people
    assert person.looks == looks
    assert person.unsure == 1, "no answer reaches this threshold"


@pytest.mark.parametrize("x", [-30, 100, 290, 400])
def test_a_portrait_is_square_also_at_the_edge_and_outside(x):
    jpeg = video_people._portrait(picture(0), Box(x, 80.3, 61.7, 61.7))
    height, width, _ = decode_image(jpeg).shape
    assert height == width == 80


def test_a_face_that_is_looked_at_rarely_stays_the_same_one(tmp_path, predictor):
    source = write(tmp_path / "slow.mp4", 5, rate=4, size=(160, 120))
    summary = video.annotate(
        source, tmp_path / "out.mp4", predictor, Everyone(), video.Settings(every=2.0, smoothing=0)
    )
    assert [(person.number, person.looks) for person in summary.people] == [(1, 3)]
    bare = np.abs(video.frame_at(tmp_path / "out.mp4", 1.75).astype(int) - picture(1.75, size=(160, 120)))
    assert bare.max() > 100, "the box stays between two looks"
