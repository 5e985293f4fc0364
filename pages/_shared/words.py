"""Figures and faces in words, the same on every page."""

import os
from urllib.parse import urlsplit

import streamlit as st

from fer_core.imaging import detectors
from fer_core.inference.photo import FaceResult
from fer_core.zoo.card import Card

_SPLITS = ("test", "validation", "train")
_TRUTHS = {"labels": "the dataset's own labels", "votes": "the most frequent answer of ten raters"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def percent(share: float, digits: int = 1) -> str:
    """0.712 as "71.2 %"."""
    return f"{share * 100:.{digits}f} %"


def share(probability: float) -> str:
    """0.82 as "82 %"; never 100 %, as in a verdict's sentence: no model is certain."""
    return "< 1\xa0%" if probability < 0.005 else f"{min(round(probability * 100), 99)}\xa0%"


def accuracy(record: dict) -> str:
    """A record with its interval and n: "71.2 % ± 1.5, 3,589 faces"."""
    said = margin(record["accuracy"], record["accuracy_low"], record["accuracy_high"])
    return f"{said}, {record['n']:,} faces"


def margin(share: float, low: float, high: float) -> str:
    """A share with its interval: "84.0 % ± 1.4"."""
    return f"{percent(share)} ± {(high - low) * 50:.1f}"


def headline(card: Card) -> dict | None:
    """The evaluation that says most: against the truth it was trained for, test before validation."""
    wanted = card.training.get("targets")
    records = sorted(
        (r for r in card.evaluations if r["split"] in _SPLITS),
        key=lambda r: (_SPLITS.index(r["split"]), r["kind"] != wanted),
    )
    return records[0] if records else None


def truth(record: dict) -> str:
    """What a record was measured against."""
    return _TRUTHS.get(record["kind"], record["kind"])


def measured(card: Card) -> str:
    """One line on how good a model is."""
    record = headline(card)
    if record is None:
        return _left_out(card.training["taught"]) if "taught" in card.training else "not measured yet"
    where = f"{record['dataset']} {record['split']}"
    if card.task == "affect":
        return f"reads valence and arousal with a CCC of {record['ccc']:.2f}, 1 is perfect ({where})"
    if card.task == "similarity":
        share = percent(record["accuracy"])
        return f"tells {share} of {record['n']:,} pairs right: same expression or not ({where})"
    return f"agrees with {truth(record)} on {accuracy(record)} ({record['dataset']} {record['split']})"


def _left_out(record: dict) -> str:
    """Of a taught model, which was measured on nothing but its own photos."""
    if "person" in record:
        return f"shifted for {record['person']}, not measured on that person"
    score = record.get("leave_one_out", {}).get(record["kind"], {})
    if not score.get("n"):
        return "one photo a class: not measured yet"
    return (
        f"recognised {score['right']} of its own {score['n']} photos when each was left out "
        f"({score['low'] * 100:.0f} to {score['high'] * 100:.0f} %)"
    )


def detector(name: str) -> str:
    """One line on how good a detector is."""
    figures = detectors.measured(name)
    if figures is None:
        return "not measured yet"
    half = (figures.high - figures.low) * 50
    return (
        f"finds {percent(figures.recall)} ± {half:.1f} of {figures.n:,} faces, "
        f"{_false_alarms(figures.false_alarms_per_photo)}, {figures.ms:.0f} ms a photo"
    )


def _false_alarms(per_photo: float) -> str:
    if per_photo <= 0:
        return "no false alarm"
    return (
        f"a false alarm in {1 / per_photo:,.0f} photos"
        if per_photo < 0.5
        else f"{per_photo:.1f} false alarms a photo"
    )


def face(number: int, found: FaceResult) -> str:
    """One plain sentence: "Face 1 looks happy (82 %)"."""
    who = f"Face {number}" if found.face else "The picture"
    if found.verdict.sure:
        return f"{who} {found.verdict.sentence}"
    return f"{who}: can't tell, {found.verdict.label} or {found.verdict.runner_up}"


def many(count: int, one: str, more: str | None = None) -> str:
    """ "1 photo", "3 photos"."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def left(seconds: float) -> str:
    """ "12 s left", "3 min left"."""
    return f"{seconds:.0f} s left" if seconds < 90 else f"{seconds / 60:.0f} min left"


def served_here() -> bool:
    """Whether the browser runs on the computer that the app runs on, as far as the app can know.

    A request that a proxy passed on, or an app that was started over SSH (where a tunnel looks like
    localhost), counts as elsewhere: the privacy line must never promise too much.
    """
    host = urlsplit(st.context.url or "").hostname
    if host not in _LOOPBACK or (st.context.ip_address or "127.0.0.1") not in _LOOPBACK:
        return False
    if any(name in st.context.headers for name in ("Forwarded", "X-Forwarded-For", "X-Real-Ip")):
        return False
    return not any(name in os.environ for name in ("SSH_CONNECTION", "SSH_CLIENT", "CODESPACES"))


def privacy(what: str = "photo") -> str:
    """Where a photo goes, true for where this app is served."""
    if served_here():
        return f"Your {what} stays on this computer: it is read here, used for this answer, and not stored."
    return f"Your {what} is sent to this server, used for this answer, and not stored."


def kept_faces() -> str:
    """Where the photos of a class set go, true for where this app is served."""
    where = "on this computer" if served_here() else "on this server"
    return f"The faces are cut out and kept {where} until you remove them; the photos are not kept."


def sentence_case(text: str) -> str:
    """ "finds 9 of 10" as "Finds 9 of 10."."""
    return text[:1].upper() + text[1:] + "."


def duration(seconds: float) -> str:
    """ "8 s", "12 min", "3 h 20 min", "2 days"."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{hours / 24:.0f} days"


def size(megabytes: float) -> str:
    """ "0.4 MB", "900 MB", "24 GB"."""
    if megabytes < 10:
        return f"{megabytes:.1f} MB"
    return f"{megabytes:,.0f} MB" if megabytes < 10_000 else f"{megabytes / 1000:,.0f} GB"
