"""`python -m fer_core video`."""

import os
import signal
import threading

import pytest
from made_videos import write

from fer_core import cli
from fer_core.inference import video


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", 2, sound="aac")


def test_a_video_and_its_table_are_written(clip, tmp_path, capsys):
    out, table = tmp_path / "out.mp4", tmp_path / "faces.csv"
    call = ["video", str(clip), "--out", str(out), "--csv", str(table), "--every", "0.5", "--smoothing", "0"]
    assert cli.main(call) == 0
    said = capsys.readouterr().out
    assert "face 1, 0:00 to 0:01: looks happy" in said
    assert "1 face, 20 frames" in said
    assert len(table.read_text().splitlines()) == 1 + 4
    assert video.probe(out).sound == "aac"


def test_ctrl_c_keeps_what_is_done(clip, tmp_path, capsys, monkeypatch):
    drawn, before = [], signal.getsignal(signal.SIGINT)
    annotate = video.annotate

    def pressed_after_six(*arguments):
        *others, progress, stop = arguments

        def told(share, text):
            drawn.append(text)
            if len(drawn) == 6:
                os.kill(os.getpid(), signal.SIGINT)

        return annotate(*others, told, stop)

    monkeypatch.setattr(video, "annotate", pressed_after_six)
    assert threading.current_thread() is threading.main_thread()
    assert cli.main(["video", str(clip), "--out", str(tmp_path / "out.mp4")]) == 130
    assert "stopped at 0:00; what was done is kept" in capsys.readouterr().err
    assert 0.5 < video.probe(tmp_path / "out.mp4").seconds < 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_wrong_file_is_told(tmp_path, capsys):
    (tmp_path / "empty.mp4").touch()
    out = tmp_path / "out.mp4"
    assert cli.main(["video", str(tmp_path / "empty.mp4"), "--out", str(out)]) == 1
    assert "0 bytes" in capsys.readouterr().err
    assert not out.exists()
