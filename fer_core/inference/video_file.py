"""Video files: looked at before use, read upright in constant memory, written anew with their sound."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from fer_core.errors import BadInput

SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif")
"""Endings of the files that people have; what a file is, is told from its content."""

_FORMATS = "mov,mp4,matroska,webm,avi,gif,mpegts,mpeg,flv,asf,ogg,mp3,wav,flac,aac,3gp"
"""Containers that are opened. Playlists are not among them: they name other files and sites to be read."""

_COPIED = ("aac", "mp3", "opus", "flac", "alac", "ac3", "eac3")
"""Sound that mp4 holds as it is; any other is encoded anew as AAC."""

_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""Samples a second that AAC knows."""

_GAP = 0.1
"""s of silence between two pieces of sound that are not a matter of rounding."""

_LEAST, _LONGEST, _MOST = 16, 8192, 8192 * 4320
"""px of a side, at least and at most, and of a whole frame (8K)."""


@dataclass(frozen=True)
class Clip:
    """What is known of a video before it is read.

    Attributes:
        width, height: of the upright picture in square pixels, px.
        rotation: degrees, counter-clockwise, by which its frames are turned to stand upright.
        rate: frames a second, on average where they vary.
        seconds: how long it is; None where the file does not say.
        codec, sound: names of the codecs; sound is None where there is none that can be read.
    """

    path: Path
    width: int
    height: int
    rotation: int
    rate: Fraction
    seconds: float | None
    codec: str
    sound: str | None


def probe(path: Path) -> Clip:
    """Open a video and decode its first frame.

    Raises:
        BadInput: it is missing, empty, broken, a still or sound only, too large, or its codec is not here.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise BadInput(
            f"A video is a file that can be read. Received: {path.name} ({error.strerror})."
        ) from error
    if not size:
        raise BadInput(f"A video has content. Received: {path.name}, 0 bytes. Copy or record it again.")
    with _opened(path) as container:
        stream, sound = _pictures(container, path), _sound(container)
        if stream.codec_context is None:
            raise BadInput(
                f"A video's codec must be known here. Received: {path.name}, in one that is not. "
                "Save it as mp4 with H.264."
            )
        _must_fit(path, stream.codec_context.width, stream.codec_context.height)
        try:
            first = next(container.decode(stream))
        except (av.FFmpegError, StopIteration) as error:
            raise BadInput(
                f"A video has frames that can be decoded. Received: {path.name}, whose first cannot. "
                "It may be broken off or damaged."
            ) from error
        width, height = _square_pixels(first, stream.sample_aspect_ratio)
        _must_fit(path, width, height)
        rotation = first.rotation
        if round(rotation / 90) % 2:
            width, height = height, width
        length = stream.duration and stream.duration * _time_base(stream)
        length = length or (container.duration and Fraction(container.duration, av.time_base))
        return Clip(
            path,
            width,
            height,
            rotation,
            stream.average_rate or stream.guessed_rate or Fraction(25),
            float(length) if length and length > 0 else None,
            stream.codec_context.codec.canonical_name,
            sound.codec_context.codec.canonical_name if sound else None,
        )


def frame_at(path: Path, seconds: float) -> np.ndarray:
    """The frame that is shown at a moment: (H, W, 3) uint8 RGB, upright; the last one after the end.

    Raises:
        BadInput: as for `probe`.
    """
    clip = probe(path)
    with _opened(path) as container:
        stream = _pictures(container, path)
        start = (stream.start_time or 0) * _time_base(stream)
        container.seek(int((start + Fraction(seconds)) / _time_base(stream)), stream=stream)
        shown = None
        with contextlib.suppress(av.FFmpegError):
            for frame in container.decode(stream):
                if (
                    shown is not None
                    and frame.time is not None
                    and frame.time - float(start) > seconds + 1e-6
                ):
                    break
                shown = frame
        if shown is None:
            raise BadInput(f"A frame can be shown. Received: {path.name}, none at {seconds:.1f} s.")
        return _upright(shown, clip)


class Rewriting:
    """A video that is read frame by frame while a new one is written; its sound is passed on.

    The new one is H.264 in mp4, upright, with the times of the old frames. Memory does not grow with
    the length.

    Use: `for seconds, image in copy.frames(): copy.put(image)`, inside `rewriting`.
    """

    def __init__(self, clip: Clip, source: InputContainer, target: OutputContainer):
        self.clip = clip
        self.share = 0.0
        """How far the file is read, 0..1."""
        self.breaks_off = False
        """Whether the file could not be read to its end."""
        self._source, self._target = source, target
        self._video = _pictures(source, clip.path)
        self._video.thread_type = "AUTO"
        self._sound = _sound(source)
        self._time_base = _time_base(self._video)
        # H.264 with its colour at half the size needs even sides.
        self._size = clip.width // 2 * 2, clip.height // 2 * 2
        self._out = _picture_stream(target, clip, self._size, self._time_base)
        self._copies = clip.sound in _COPIED
        self._out_sound = _sound_stream(target, self._sound, self._copies)
        self._began = Fraction(source.start_time or 0, av.time_base)
        self._now = -1
        self._lasting: dict[int, int] = {}
        self._heard = 0

    def frames(self) -> Iterator[tuple[float, np.ndarray]]:
        """Seconds from the start and (H, W, 3) uint8 RGB, upright, for each frame that can be decoded."""
        size = max(self.clip.path.stat().st_size, 1)
        streams = [stream for stream in (self._video, self._sound) if stream is not None]
        offset = round(self._began / self._time_base)
        step = max(1, round(1 / (self.clip.rate * self._time_base)))
        for packet in self._packets(streams):
            if packet.pos is not None and packet.pos > 0:
                self.share = min(packet.pos / size, 1.0)
            if packet.stream is not self._video:
                self._pass_on(packet)
                continue
            try:
                frames = packet.decode()
            except av.FFmpegError:
                # A damaged stretch: players skip it, too.
                continue
            for frame in frames:
                at = self._now + step if frame.pts is None else frame.pts - offset
                # Times that stand still or run back come from damage; an encoder refuses them.
                self._now = max(at, self._now + 1, 0)
                self._lasting[self._now] = frame.duration or step
                yield float(self._now * self._time_base), _upright(frame, self.clip)

    def _packets(self, streams: list) -> Iterator[av.Packet]:
        packets = self._source.demux(*streams)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                # What was read until here is whole: players end here, too.
                self.breaks_off = True
                return
            yield packet

    def put(self, image: np.ndarray) -> None:
        """Write the frame that was read last, as it looks now: (H, W, 3) uint8 RGB."""
        width, height = self._size
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        frame.pts, frame.time_base = self._now, self._time_base
        self._write(frame)

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._write(None)
        if self._out_sound is not None and not self._copies:
            self._target.mux(self._out_sound.encode(None))

    def _write(self, frame: VideoFrame | None) -> None:
        for packet in self._out.encode(frame):
            # Encoders forget how long a frame is shown, and for the last one no next one tells.
            if packet.pts in self._lasting:
                packet.duration = self._lasting.pop(packet.pts)
            self._target.mux(packet)

    def _pass_on(self, packet: av.Packet) -> None:
        """Sound: as it is, or encoded anew."""
        if self._out_sound is None:
            return
        if self._copies:
            if packet.dts is not None:
                offset = round(self._began / packet.time_base)
                packet.dts -= offset
                packet.pts = packet.dts if packet.pts is None else packet.pts - offset
                packet.stream = self._out_sound
                self._target.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return
        for frame in frames:
            if isinstance(frame, av.AudioFrame):
                self._timed(frame)
                self._target.mux(self._out_sound.encode(frame))

    def _timed(self, frame: av.AudioFrame) -> None:
        """Counted in samples, because the times in files are rounded; a real gap stays a gap."""
        if frame.time is not None:
            at = round((frame.time - float(self._began)) * frame.sample_rate)
            if at - self._heard > _GAP * frame.sample_rate:
                self._heard = at
        frame.pts, frame.time_base = self._heard, Fraction(1, frame.sample_rate)
        self._heard += frame.samples


@contextlib.contextmanager
def rewriting(clip: Clip, part: Path) -> Iterator[Rewriting]:
    """A video to be written to `part`, complete when the block ends without an error.

    Raises:
        BadInput: the source cannot be opened any more.
        av.FFmpegError: the disk refused.
    """
    with _opened(clip.path) as source:
        target = av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"})
        try:
            copy = Rewriting(clip, source, target)
            yield copy
            copy.finish()
        except BaseException:
            # The first error counts; a file that is half written cannot always be ended.
            with contextlib.suppress(av.FFmpegError):
                target.close()
            raise
        target.close()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    options = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(path), "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise BadInput(
            f"A video is an mp4, mov, webm, avi or gif file that is whole. Received: {path.name}, which "
            "cannot be opened. It may be broken off, damaged or something else."
        ) from error
    with container:
        yield container


def _pictures(container: InputContainer, path: Path) -> av.VideoStream:
    """The stream of pictures; the cover of a song is none."""
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream) or stream.disposition & Disposition.attached_pic:
        raise BadInput(f"A video shows pictures. Received: {path.name}, which holds sound only.")
    return stream


def _time_base(stream: av.VideoStream) -> Fraction:
    return stream.time_base or Fraction(1, 1000)


def _sound(container: InputContainer) -> av.AudioStream | None:
    """The stream of sound; None where there is none or no decoder knows it."""
    stream = container.streams.best("audio")
    return stream if isinstance(stream, av.AudioStream) and stream.codec_context else None


def _must_fit(path: Path, width: int, height: int) -> None:
    if min(width, height) < _LEAST or max(width, height) > _LONGEST or width * height > _MOST:
        raise BadInput(
            f"A video is {_LEAST} to {_LONGEST} px wide and high, and 8192x4320 px in all at most. "
            f"Received: {path.name}, {width}x{height} px. Save it in another size."
        )


def _square_pixels(frame: VideoFrame, ratio: Fraction | None) -> tuple[int, int]:
    """Width and height once every pixel is as wide as high, before the frame is turned."""
    return (round(frame.width * ratio) if ratio else frame.width), frame.height


def _upright(frame: VideoFrame, clip: Clip) -> np.ndarray:
    """(H, W, 3) uint8 RGB in the clip's size, also where frames change theirs."""
    turns = round(clip.rotation / 90) % 4
    width, height = (clip.height, clip.width) if turns % 2 else (clip.width, clip.height)
    image = frame.reformat(width, height, "rgb24").to_ndarray()
    return np.ascontiguousarray(np.rot90(image, turns))


def _picture_stream(
    target: OutputContainer, clip: Clip, size: tuple[int, int], time_base: Fraction
) -> av.VideoStream:
    # Without B-frames: mp4 tells the length of a video with uneven times wrongly otherwise.
    # A whole picture every two seconds: jumping to a moment decodes no more than that.
    whole = str(max(1, round(2 * clip.rate)))
    options = {"preset": "veryfast", "crf": "20", "bf": "0", "g": whole}
    stream = target.add_stream("libx264", rate=clip.rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = time_base
    # Said in the file, because players guess by the size where it is not.
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _sound_stream(
    target: OutputContainer, sound: av.AudioStream | None, copied: bool
) -> av.AudioStream | None:
    if sound is None:
        return None
    if copied:
        return target.add_stream_from_template(sound)
    rate = sound.codec_context.sample_rate
    stream = target.add_stream("aac", rate=rate if rate in _RATES else 48000)
    # By number: raw sound often does not say where its channels belong.
    layouts = {1: "mono", 6: "5.1", 8: "7.1"}
    stream.codec_context.layout = layouts.get(sound.codec_context.channels, "stereo")
    return stream
