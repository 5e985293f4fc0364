"""The camera doctor: what keeps the video from running, in plain words, and what to do about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_KEY = "camera facts"

PATIENCE = 10.0
"""s that a connection may take before it counts as failed."""

QUIET = 4.0
"""s without a picture after which a running video counts as standing still."""


@dataclass(frozen=True)
class Facts:
    """What the browser says.

    Attributes:
        secure: whether this page may ask for a camera at all: https, or this computer.
        permission: "granted", "denied", "prompt", or "unknown" where the browser does not say.
        cameras: how many there are; None where the browser does not say.
        failure: name of the error with which it refused the camera last time; "" where it did not.
        ended: the camera went away while it ran.

    Source of the names: https://developer.mozilla.org/en-US/docs/Web/API/MediaDevices/getUserMedia.
    """

    secure: bool = True
    permission: str = "unknown"
    cameras: int | None = None
    failure: str = ""
    ended: bool = False


@dataclass(frozen=True)
class Wait:
    """How long pictures are waited for.

    Attributes:
        first: s since Start without any picture; 0 where one came, or nobody waits.
        next: s since the last picture while the video should run.
    """

    first: float = 0.0
    next: float = 0.0


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what to do."""

    wrong: str
    remedy: str


INSECURE = Finding(
    "This page is not served over https, and browsers give a camera to secure pages only.",
    "Open it under an address that begins with https://, or on the computer that runs it as "
    "http://localhost. Whoever runs it can put https in front of it.",
)
REFUSED = Finding(
    "The browser may not use the camera for this page.",
    "Click the camera or lock sign beside the address, allow the camera, then press Start again. Where "
    "there is no such sign, the system's privacy settings keep the browser from the camera.",
)
NO_CAMERA = Finding(
    "The browser finds no camera.",
    "Plug one in, or switch it on (some have a slider or a key), then press Start again.",
)
IN_USE = Finding(
    "The camera is there, and gives no picture: another program or another tab uses it, most likely.",
    "Close video calls and other tabs that show the camera, then press Start again.",
)
GONE = Finding(
    "The camera went away while it was running.",
    "Plug it in again, or choose another one, then press Start again.",
)
NO_ROUTE_HERE = Finding(
    "The browser and the app found no way to each other, although both are on this computer.",
    "Join a network, if there is none: browsers offer no address without one (it need not reach the "
    "internet). A VPN or an extension that hides addresses is in the way, too: switch it off for this page.",
)
NO_ROUTE = Finding(
    "The browser and this server found no way to each other: a firewall is between them.",
    "Try another network. Whoever runs this app can add a TURN server, which passes pictures on; the README "
    "says how.",
)
STILL = Finding(
    "No new picture comes from the camera.",
    "If the picture does not move again by itself, press Stop, then Start.",
)


def diagnose(facts: Facts, wait: Wait, here: bool) -> Finding | None:
    """The first thing that is wrong; None where nothing is known to be.

    Args:
        here: whether browser and app are on one computer.
    """
    if not facts.secure:
        return INSECURE
    if facts.failure in ("NotAllowedError", "SecurityError") or facts.permission == "denied":
        return REFUSED
    if facts.ended:
        return GONE
    if facts.failure in ("NotFoundError", "OverconstrainedError") or facts.cameras == 0:
        return NO_CAMERA
    if facts.failure:
        return IN_USE
    if wait.first > PATIENCE:
        return NO_ROUTE_HERE if here else NO_ROUTE
    if wait.next > QUIET:
        return STILL
    return None


def ask() -> Facts:
    """What the browser says; the page, or fragment, runs again when that changes."""
    said = _component()(key=_KEY, default={"facts": {}}, on_facts_change=lambda: None)
    return read(said.facts or {})


def read(said: Mapping[str, Any]) -> Facts:
    """Facts as the browser sent them; what it did not say is left at its best."""
    cameras = said.get("cameras")
    return Facts(
        secure=said.get("secure") is not False,
        permission=str(said.get("permission") or "unknown"),
        cameras=cameras if isinstance(cameras, int) else None,
        failure=str(said.get("failure") or ""),
        ended=said.get("ended") is True,
    )


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fer_doctor", html='<div class="doctor"></div>', js=(_HERE / "doctor.js").read_text("utf-8")
    )
