"""What chance does to the training images: presets, sliders, and the very pictures of the dataset."""

import base64
import html
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import streamlit as st

from fer_core.dataset.store import Store
from fer_core.imaging.decode import decode_image, encode_jpeg, encode_png
from fer_core.imaging.detectors.base import shrunk
from fer_core.imaging.preprocess import InputSpec, to_input
from fer_core.training import augmentation
from fer_core.training.config import Augmentation

CHANGED = 3
"""How often each face is shown changed."""

_LARGEST = 128
"""px of a picture on the page."""

_STYLE = (
    "<style>.fer-changes{display:grid;gap:4px;max-width:44rem}"
    ".fer-changes img{width:100%;display:block;border-radius:3px;border:1px solid rgba(128,128,128,.25)}"
    ".fer-changes .small{image-rendering:pixelated}"
    ".fer-changes p{grid-column:1/-1;margin:.5em 0 0;font-size:.85em;opacity:.75}"
    ".fer-changes span{font-size:.8em;text-align:center;opacity:.75;overflow:hidden;text-overflow:ellipsis}"
    "</style>"
)


@dataclass(frozen=True)
class Option:
    """One slider.

    Attributes:
        most: the right end of the slider.
        format: how Streamlit writes its value.
    """

    name: str
    label: str
    most: float
    step: float
    format: str
    help: str


GROUPS = (
    (
        Option("rotation", "Turn", 45.0, 1.0, "%.0f°", "At most so far to either side, as heads are tilted."),
        Option("shift", "Shift", 0.3, 0.01, "percent", "At most so much of the side, in any direction."),
        Option("zoom", "Zoom", 0.4, 0.01, "percent", "The face up to so much larger or smaller."),
        Option("stretch", "Stretch", 0.3, 0.01, "percent", "Height and width up to so much apart."),
        Option("shear", "Lean", 30.0, 1.0, "%.0f°", "Upright lines lean so far, like italics."),
    ),
    (
        Option("contrast", "Contrast", 0.9, 0.05, "percent", "Up to so much flatter or harsher light."),
        Option("brightness", "Brightness", 0.5, 0.01, "percent", "Up to so much lighter or darker."),
        Option("blur", "Blur", 4.0, 0.1, "%.1f px", "Up to so far out of focus, in pixels of its input."),
        Option("noise", "Noise", 0.2, 0.01, "percent", "Grain up to so strong, as of cameras in the dark."),
    ),
    (
        Option("cutout", "Cover", 0.7, 0.05, "percent", "A grey square hides up to so much of the side."),
        Option(
            "mixup", "Blend", 1.0, 0.05, "%.2f", "Two faces shine through each other; the answer is both."
        ),
    ),
)
"""Sliders by column: shape, light, and what hides a face."""


def presets(usual: Augmentation) -> dict[str, Augmentation]:
    """The settings that have a name.

    Args:
        usual: what the chosen network is trained with.
    """
    nothing: dict[str, Any] = {f.name: False if f.name == "flip" else 0.0 for f in fields(Augmentation)}
    return {
        "None": Augmentation(**nothing),
        "Gentle": Augmentation(
            rotation=5, shift=0.04, zoom=0.05, stretch=0.03, contrast=0.15, brightness=0.05
        ),
        "Usual": usual,
        "Strong": Augmentation(
            rotation=20, shift=0.12, shear=8, zoom=0.2, stretch=0.1, contrast=0.5, brightness=0.2,
            blur=0.8, noise=0.05, cutout=0.35, mixup=0.2,
        ),
    }  # fmt: skip


def settings(scope: str, start: Augmentation) -> Augmentation:
    """What the sliders stand at.

    Args:
        scope: tells the sliders of one network from those of another.
        start: what they stand at before somebody moves them.
    """
    stand: dict[str, Any] = {
        field.name: st.session_state.get(_key(scope, field.name), getattr(start, field.name))
        for field in fields(Augmentation)
    }
    return Augmentation(**stand)


@st.fragment
def show(
    store: Store, faces: Sequence[tuple[str, str]], spec: InputSpec, scope: str, start: Augmentation,
    usual: Augmentation,
) -> None:  # fmt: skip
    """Presets, the pictures, the sliders. A fragment: moving a slider draws nothing else anew.

    Args:
        faces: image ids of training samples and what they are labelled.
    """
    named = presets(usual)
    now = settings(scope, start)
    st.session_state[f"preset {scope}"] = next((name for name, one in named.items() if one == now), None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.pills(
            "How much",
            list(named),
            key=f"preset {scope}",
            on_change=_take,
            args=(scope, named),
            help="The network never sees a picture twice in the same way, and so learns what stays.",
        )
        st.button("Throw again", key=f"throw {scope}", on_click=_throw, icon=":material/casino:")
    if faces:
        pictures = _inputs(store, str(store.engine.url), tuple(image for image, _ in faces), spec)
        changed = changes(pictures, now, st.session_state.get("throw", 0))
        st.html(_grid(pictures, changed, [label for _, label in faces]))
    with st.expander("Adjust each of them"):
        for column, options in zip(st.columns(3, gap="medium"), GROUPS, strict=True):
            with column:
                for option in options:
                    _slider(option, scope, start)
                if options is GROUPS[-1]:
                    st.session_state.setdefault(_key(scope, "flip"), start.flip)
                    st.toggle(
                        "Mirror",
                        key=_key(scope, "flip"),
                        help="Left and right change places, half of the time.",
                        persist_state="session",
                    )


def changes(pictures: np.ndarray, wanted: Augmentation, throw: int) -> list[np.ndarray]:
    """CHANGED times what a network would be fed in place of these pictures.

    Args:
        pictures: (N, H, W, C) uint8.

    Returns:
        Arrays (N, H, W, C) uint8.
    """
    random = np.random.default_rng(throw)
    shown = []
    for _ in range(CHANGED):
        images, _points = augmentation.augment(pictures, wanted, random)
        images, _targets = augmentation.mix(images, [], wanted.mixup, random)
        shown.append(images.round().astype(np.uint8))
    return shown


def _slider(option: Option, scope: str, start: Augmentation) -> None:
    # Not as the widget's default: presets write here, too.
    value = float(getattr(start, option.name))
    st.session_state.setdefault(_key(scope, option.name), value)
    st.slider(
        option.label,
        0.0,
        max(option.most, value),
        step=option.step,
        format=option.format,
        key=_key(scope, option.name),
        help=option.help,
        persist_state="session",
    )


def _take(scope: str, named: Mapping[str, Augmentation]) -> None:
    """Move the sliders to where a preset has them."""
    chosen = named.get(st.session_state[f"preset {scope}"])
    if chosen:
        for field in fields(Augmentation):
            value = getattr(chosen, field.name)
            st.session_state[_key(scope, field.name)] = value if field.name == "flip" else float(value)


def _throw() -> None:
    st.session_state["throw"] = secrets.randbelow(10**6)


def _key(scope: str, name: str) -> str:
    return f"augmentation {name} {scope}"


@st.cache_data(max_entries=16, ttl=3600, show_spinner=False)
def _inputs(_store: Store, place: str, images: tuple[str, ...], spec: InputSpec) -> np.ndarray:
    """(N, *spec.shape) uint8: some stored pictures as a network takes them."""
    found = _store.image_bytes(images)
    return np.stack([to_input(decode_image(found[image]), None, spec) for image in images])


def _grid(pictures: np.ndarray, changed: Sequence[np.ndarray], labels: Sequence[str]) -> str:
    said = [html.escape(label) for label in labels]
    cells = ["<p>As they are</p>"]
    cells += [_image(picture, f"{label}, as it is") for picture, label in zip(pictures, said, strict=True)]
    cells += [f"<span>{label}</span>" for label in said] + ["<p>As the network sees them</p>"]
    for number, row in enumerate(changed, 1):
        cells += [
            _image(picture, f"{label}, changed, {number}") for picture, label in zip(row, said, strict=True)
        ]
    columns = f"grid-template-columns:repeat({len(labels)},minmax(0,1fr))"
    return f'{_STYLE}<div class="fer-changes" style="{columns}">{"".join(cells)}</div>'


def _image(picture: np.ndarray, alt: str) -> str:
    """An img element with the picture inside; small ones show their pixels as squares."""
    small = max(picture.shape[:2]) <= 64
    shown = picture.squeeze() if picture.shape[2] == 1 else picture
    data = encode_png(shown) if small else encode_jpeg(shrunk(shown, _LARGEST))
    kind = "png" if small else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img class="{"small" if small else ""}" src="{source}" alt="{alt}">'
