"""What a run's events tell so far, for pages that look again every second: each event is read once for
all visitors."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import streamlit as st

from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run

_RECENT = 3
"""Epochs whose mean time says how long the next ones take."""


@dataclass(frozen=True)
class History:
    """What the events up to a byte offset tell.

    Attributes:
        offset: bytes of the events that were read.
        stage: what the worker does since it was launched last: "starting", "preparing", "training",
            "exporting" or "ended".
        epochs: the event of each whole epoch by its number from 0; of one that was run again, the last.
        live: the last progress event of the epoch at work; None between two.
        prepare: the last word on preparations.
        device: what it computes on, in words.
        data: how many images it learns from, and what was left out.
        leaks: copies of held-out images that it learns from all the same, by reason.
        fine_tuning: the first epoch in which the features are learned too.
        warnings: sentences of the last launch.
        diverged: the loss stopped being a number.
    """

    offset: int = 0
    stage: str = "starting"
    epochs: Mapping[int, dict] = field(default_factory=lambda: MappingProxyType({}))
    live: dict | None = None
    prepare: dict | None = None
    device: str = ""
    data: dict | None = None
    leaks: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    fine_tuning: int | None = None
    warnings: tuple[str, ...] = ()
    diverged: bool = False

    @property
    def done(self) -> int:
        """Whole epochs."""
        return max(self.epochs, default=-1) + 1

    def best(self, key: str) -> dict | None:
        """The event of the epoch with the highest validation figure, the first of equals."""
        known = [epoch for epoch in self.epochs.values() if epoch.get("val_" + key) is not None]
        return max(known, key=lambda epoch: (epoch["val_" + key], -epoch["epoch"]), default=None)

    def seconds_left(self, config: TrainingConfig) -> float | None:
        """Estimated from the latest epochs of the same phase, or from the speed of the first; None before."""
        at, share = (self.live["epoch"], self._share()) if self.live else (self.done, 0.0)
        same = [
            event["seconds"]
            for epoch, event in sorted(self.epochs.items())
            if (epoch < config.frozen_epochs) == (at < config.frozen_epochs)
        ][-_RECENT:]
        if same:
            each = sum(same) / len(same)
        elif self.live and self.live.get("images_per_second"):
            each = self.live["steps"] * config.batch_size / self.live["images_per_second"]
        else:
            return None
        return each * max(config.epochs - at - share, 0)

    def share(self, config: TrainingConfig) -> float:
        """The part of all epochs that is done, 0..1."""
        at = self.live["epoch"] + self._share() if self.live else self.done
        return min(at / config.epochs, 1.0)

    def _share(self) -> float:
        return self.live["step"] / self.live["steps"] if self.live else 0.0


def of(run: Run) -> History:
    """The history of a run up to now."""
    kept = _kept()
    before = kept.get(run.folder, History())
    events, offset = run.events(before.offset)
    if not events:
        return before
    kept[run.folder] = now = read_on(before, events, offset)
    return now


def forget(run: Run) -> None:
    """Drop what was read of a run that is deleted."""
    _kept().pop(run.folder, None)


@st.cache_resource(show_spinner=False)
def look_cheaply() -> None:
    """For pages that look again every second: Streamlit collects garbage after each look, which takes 50 ms
    past all that was imported, time that the training lacks. From now on what is there is passed over."""
    gc.freeze()


def read_on(before: History, events: list[dict], offset: int) -> History:
    """What is told with some more events."""
    told: dict = {"epochs": dict(before.epochs), "fine_tuning": before.fine_tuning}
    for event in events:
        kind = event["kind"]
        if kind == "launched":
            told |= {"stage": "starting", "live": None, "prepare": None, "warnings": (), "diverged": False}
        elif kind == "prepare":
            told |= {"stage": "preparing", "prepare": event}
        elif kind == "progress":
            told |= {"stage": "training", "live": event}
        elif kind == "epoch":
            told["epochs"][event["epoch"]] = event
            told |= {"stage": "training", "live": None}
        elif kind == "phase":
            told["stage"] = "training"
            if event["phase"] == "fine-tuning":
                first = told["fine_tuning"]
                told["fine_tuning"] = event["epoch"] if first is None else min(first, event["epoch"])
        elif kind == "device":
            told["device"] = event["device"]
        elif kind == "data":
            told["data"] = event
        elif kind == "leaks":
            told["leaks"] = event["leaks_in"]
        elif kind == "warning":
            told["warnings"] = (*told.get("warnings", before.warnings), event["text"])
        elif kind == "diverged":
            told |= {"diverged": True, "live": None}
        elif kind == "exporting":
            told |= {"stage": "exporting", "live": None}
        elif kind in ("finished", "stopped", "failed"):
            told |= {"stage": "ended"}
    return replace(before, offset=offset, **told)


@st.cache_resource(show_spinner=False)
def _kept() -> dict[Path, History]:
    return {}
