"""The way of a camera's pictures: from the browser to a function and back. The one caller of webrtc_streamer.

The function runs in a thread of the connection: it gets the newest picture (older ones are dropped before
it), must answer at once, and must not touch Streamlit.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import av
import numpy as np
from aioice import ice
from aiortc.contrib.media import MediaRelay
from streamlit_webrtc import webrtc as library
from streamlit_webrtc import webrtc_streamer
from streamlit_webrtc.process import VideoProcessTrack
from streamlit_webrtc.relay import get_global_relay

from pages._shared import words

Show = Callable[[np.ndarray, float], np.ndarray]
"""Takes an (H, W, 3) uint8 RGB picture and when it came (time.monotonic()); returns the one to show."""

LOOPBACK = "FER_WEBRTC_LOOPBACK"
"""Where this environment variable is set, the server offers 127.0.0.1 and nothing else: for tests on
machines without a network. Otherwise the library leaves that address out."""

LONGEST = 1280
"""px: longer pictures are shrunk on their way in, whatever a camera sends."""

_CAMERA = {
    # Wishes, not demands: a camera that cannot do it sends what it can.
    "video": {"width": {"ideal": 640}, "height": {"ideal": 480}, "frameRate": {"ideal": 30}},
    "audio": False,
}

if os.environ.get(LOOPBACK):
    ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]


@dataclass(frozen=True)
class Link:
    """What the browser says of the connection.

    Attributes:
        playing: pictures can flow.
        connecting: somebody pressed Start, and no way was found yet.
    """

    playing: bool = False
    connecting: bool = False

    @property
    def wanted(self) -> bool:
        """Whether somebody pressed Start and not yet Stop."""
        return self.playing or self.connecting


def stream(key: str, show: Show) -> Link:
    """The video with its Start and Stop. It ends by itself with the page: another page, a closed tab."""
    _be_prompt()
    context = webrtc_streamer(
        key=key,
        rtc_configuration=configuration(),
        media_stream_constraints=_CAMERA,
        video_frame_callback=_answering(show),
        async_processing=False,  # see _be_prompt
        video_html_attrs={
            "autoPlay": True,
            "playsInline": True,
            "muted": True,
            "controls": False,
            "style": {"width": "100%", "borderRadius": "6px"},
        },
        translations={"start": "Start", "stop": "Stop", "select_device": "Choose a camera"},
    )
    return Link(context.state.playing, context.state.signalling)


def configuration() -> dict[str, list] | None:
    """Which servers may help to find a way: none where browser and app are on one computer.

    Elsewhere None: the library takes the TURN servers that the secrets name, else a public STUN server. A
    configuration of one's own would switch that off.
    """
    return {"iceServers": []} if words.served_here() else None


class _Prompt(VideoProcessTrack):
    """Answers each picture with its own, drawn beside the loop that carries every visitor's packets.

    The library either draws in that loop, or in a thread whose answer waits for the next picture, and for
    two where that is late.
    """

    async def recv(self) -> av.VideoFrame:
        frame = await self.track.recv()
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(None, self.processor.recv, frame)
        answer.pts, answer.time_base = frame.pts, frame.time_base
        return answer


def _be_prompt() -> None:
    """Let the newest picture take the place of one that the next in line has no time for.

    The relay that the library's streams pass through would keep them all: where the encoder is slower than
    the camera, the picture on the screen would grow older and older.
    """
    relay = get_global_relay()
    relay.subscribe = partial(MediaRelay.subscribe, relay, buffered=False)  # type: ignore[method-assign]
    library.VideoProcessTrack = _Prompt  # type: ignore[misc]


def _answering(show: Show) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """A callback as the library wants it."""

    def answer(frame: av.VideoFrame) -> av.VideoFrame:
        factor = min(1.0, LONGEST / max(frame.width, frame.height))
        # Even sides: the encoder halves them for colour.
        width, height = (round(side * factor / 2) * 2 for side in (frame.width, frame.height))
        picture = frame.to_ndarray(format="rgb24", width=width, height=height)
        return av.VideoFrame.from_ndarray(show(picture, time.monotonic()), format="rgb24")

    return answer
