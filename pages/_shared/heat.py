"""Heat maps on a crop: what of it an answer rests on, with words for how to read the colours."""

import html
from collections.abc import Callable

import cv2
import numpy as np
import streamlit as st

from fer_core.inference import explanation
from pages._shared import errors, words

OFF = "off"

SIDE = 320
"""px on the page for the longer side of a crop."""

_COLOURS = cv2.COLORMAP_CIVIDIS
"""Dark blue to yellow, ever lighter, alike to all eyes. Source: Nuñez, Anderton & Renslow 2018."""

_OPACITY = 0.55

_TITLES = {
    explanation.OCCLUSION: "Occlusion",
    explanation.GRAD_CAM: "Grad-CAM",
    explanation.GRADIENT: "Gradient",
    OFF: "Off",
}

_HOW = {
    explanation.OCCLUSION: "A small patch of the crop is blurred, place after place.",
    explanation.GRAD_CAM: "Where the network's last feature map speaks for the answer; coarse by nature.",
    explanation.GRADIENT: "Which pixels would change the answer most, averaged over noisy copies; grainy.",
}


def choose(key: str, off: bool = True) -> str:
    """The kind of heat map that the visitor wants, of explanation.KINDS, or OFF."""
    return (
        # Pills, which wrap where it is narrow.
        st.pills(
            "Heat map",
            [*explanation.KINDS, OFF] if off else list(explanation.KINDS),
            format_func=_TITLES.__getitem__,
            default=explanation.OCCLUSION,
            required=True,
            key=key,
            label_visibility="collapsed",
        )
        or explanation.OCCLUSION
    )


def show(crop: np.ndarray, of: Callable[[str], np.ndarray], label: str, key: str) -> None:
    """A crop under the heat map that the visitor chooses, with its legend.

    Args:
        crop: (H, W, C) uint8, what the network saw.
        of: gives the (H, W) heat map of a kind; what it raises is said in the map's place.
        label: the answer that is explained.
    """
    kind = choose(key)
    height, width, channels = crop.shape
    saw = f"{width} × {height} px, {'grey' if channels == 1 else 'colour'}"
    if kind == OFF:
        st.image(enlarged(crop), width=SIDE, alt="The crop that the network saw")
        st.caption(f"What the network saw: {saw}")
        return
    with errors.guard(), st.spinner("Looking into the network…", show_time=True):
        heat = of(kind)
        most = float(heat.max())
        st.image(overlay(crop, heat), width=SIDE, alt=f"What speaks for {label}: {_TITLES[kind]} on the crop")
        if most <= 0:
            st.caption(f"Nothing in this crop speaks for {errors.plain(label)} in this view.")
        elif kind == explanation.OCCLUSION:
            legend("no effect", f"“{label}” falls by {most * 100:.0f} points")
        else:
            legend("no weight", "most weight")
        st.caption(f"{_HOW[kind]} {words.sentence_case(saw)}")


def overlay(crop: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """(H', W', 3) uint8: a crop, enlarged, under its heat map in colours of one opacity; the largest value
    of the map is the lightest."""
    large = enlarged(crop)
    if large.ndim == 2:
        large = np.repeat(large[..., None], 3, axis=2)
    scaled = explanation.enlarged(heat, *large.shape[:2]) / max(float(heat.max()), 1e-12)
    shade = (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(shade, _COLOURS), cv2.COLOR_BGR2RGB)
    return (large * (1 - _OPACITY) + colours * _OPACITY).round().astype(np.uint8)


def enlarged(crop: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(H', W', 3) or (H', W') uint8: each pixel drawn as a square, nothing smoothed, nothing added."""
    times = max(1, round(2 * side / max(crop.shape[:2])))
    large = crop.repeat(times, axis=0).repeat(times, axis=1)
    return large.squeeze(axis=2) if large.ndim == 3 and large.shape[2] == 1 else large


def legend(least: str, most: str) -> None:
    """The colours from dark to light, with what both ends mean."""
    scale = cv2.applyColorMap(np.arange(0, 256, 51).astype(np.uint8)[:, None], _COLOURS)[:, 0, ::-1]
    stops = ",".join(f"rgb({red},{green},{blue})" for red, green, blue in scale)
    st.html(
        f'<div style="max-width:{SIDE}px;font-size:.85em">'
        f'<div aria-hidden="true" style="height:.6em;border-radius:2px;background:linear-gradient(90deg,'
        f'{stops})"></div><div style="display:flex;justify-content:space-between;gap:1em;opacity:.8">'
        f"<span>{html.escape(least)}</span><span>{html.escape(most)}</span></div></div>"
    )


def rests_on(label: str, heat: np.ndarray, part: str | None) -> str:
    """One sentence on an occlusion map: "It rests mostly on the mouth: …"."""
    most = float(heat.max(initial=0))
    if most < explanation.NOTABLE:
        return f"No single place decides: blurring any one hardly changes “{label}”."
    falls = f"lowers “{label}” by up to {most * 100:.0f} points."
    if part:
        return f"It rests mostly on {part}: blurring a patch there {falls}"
    return f"It rests on no one part of the face alone; blurring a patch {falls}"
