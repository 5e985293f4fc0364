"""Short videos of the astronaut, moved and scaled, for the tests of video files."""

from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from PIL import Image
from skimage import data

SIZE = (320, 240)
"""px, wide and high, as they stand upright."""


@lru_cache(maxsize=2)
def picture(at: float, faces: int = 1, size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W, 3) uint8: the astronaut after `at` seconds, gone a little to the right and come closer."""
    width, height = size
    canvas = Image.new("RGB", size, (70, 90, 110))
    face = _face()
    side = round(0.55 * height * (1 + 0.15 * at))
    for number in range(faces):
        left = round((0.05 + 0.5 * number) * width + 12 * at)
        canvas.paste(face.resize((side, side)), (left, round(0.15 * height)))
    return np.array(canvas)


def write(
    path: Path,
    seconds: float = 2.0,
    rate: int = 10,
    codec: str = "libx264",
    sound: str | None = None,
    rotation: int = 0,
    times: tuple[float, ...] | None = None,
    faces: int = 1,
    size: tuple[int, int] = SIZE,
    empty_after: float | None = None,
    moving: bool = True,
) -> Path:
    """Write one.

    Args:
        sound: codec of a sine of 440 Hz.
        rotation: degrees by which a player has to turn it, counter-clockwise; it is stored lying.
        times: of each frame, s, where they are not even.
        empty_after: s, from when on nobody is there.
        moving: False shows one picture all the time, which is made quickly.
    """
    with av.open(str(path), "w") as out:
        wide, high = size[::-1] if rotation % 180 else size
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height = wide, high
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.codec_context.time_base = Fraction(1, 100 if codec == "gif" else 1000 if times else rate)
        if rotation:
            stream.set_display_rotation(rotation)
        tone = (
            out.add_stream(sound, rate=48000 if "opus" in sound else 44100, layout="mono") if sound else None
        )
        for number, at in enumerate(times or np.arange(round(seconds * rate)) / rate):
            image = picture(
                at if moving else 0.0, 0 if empty_after is not None and at >= empty_after else faces, size
            )
            # Turned back, so that the player's turn sets it upright.
            image = np.ascontiguousarray(np.rot90(image, -rotation // 90))
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base = stream.codec_context.time_base
            frame.pts = round(at / frame.time_base) if times or codec == "gif" else number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if tone:
            out.mux(packet for chunk in _sine(seconds) for packet in tone.encode(chunk))
            out.mux(tone.encode(None))
    return path


@lru_cache(maxsize=1)
def _face() -> Image.Image:
    return Image.fromarray(data.astronaut()[:240, 100:340])


def _sine(seconds: float):
    wave = np.sin(np.arange(round(44100 * seconds)) * 2 * np.pi * 440 / 44100)
    samples = (wave * 8000).astype(np.int16)
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
        yield frame
