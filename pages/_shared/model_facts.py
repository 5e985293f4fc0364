"""What a model's card says besides its figures."""

import pandas as pd
import streamlit as st

from fer_core.zoo import incoming
from fer_core.zoo.card import Card
from fer_core.zoo.specs import TASKS
from pages._shared import errors, resources, words
from pages._shared.teach_look import KINDS


def show(card: Card) -> None:
    """A table in words: what it sees and answers, what it learnt from, whose it is."""
    st.subheader("What it is", anchor=False)
    threshold = resources.threshold(card) if card.task == "expression" else 0.0
    facts = {
        "Sees": f"{card.input.width} × {card.input.height} px, "
        + ("grey" if card.input.channels == 1 else "colour")
        + ", and 68 points of the face" * card.input.landmarks,
        "Answers": ", ".join(card.labels.names) if card.task == "expression" else TASKS[card.task].title,
        "Size": f"{card.parameters:,} weights",
        **_made(card),
        "Says can't tell": f"below {words.percent(threshold, 0)}" if threshold else "never",
        "Licence": "; ".join(f"{part}: {licence}" for part, licence in card.licence.items()),
    }
    st.table(pd.Series(facts, name="").map(errors.plain).to_frame(), hide_header=True, border="horizontal")


def _made(card: Card) -> dict[str, str]:
    """How it came to be; of a taught model also how its base did."""
    learnt = _told(card) if "imported" in card.training else _recorded(card)
    if "taught" not in card.training:
        return learnt
    of_base = {f"Its base: {name[:1].lower()}{name[1:]}": said for name, said in learnt.items()}
    return {**_taught(card.training["taught"]), **of_base}


def _taught(record: dict) -> dict[str, str]:
    """Of a model that was taught on top of another one."""
    version = f", version {record['version']}" if "version" in record else ""
    if "person" in record:
        photos = words.many(record["examples"]["neutral"], "neutral photo")
        return {"Built on": record["base"], "Shifted for": f"{record['person']}, by {photos}{version}"}
    photos = ", ".join(f"{count} of {name}" for name, count in record["examples"].items())
    return {
        "Built on": record["base"],
        "Photos": f"{photos}{version}",
        "Decides by": KINDS.get(record["kind"], record["kind"]),
    }


def _recorded(card: Card) -> dict[str, str]:
    """Of a model that was trained by this project."""
    training, images = card.training, card.training.get("images", {})
    return {
        "Learnt from": f"{images.get('train', 0):,} images of {training.get('dataset', 'an unknown set')}, "
        + ("what ten raters saw in each" if training.get("targets") == "votes" else "one label each"),
        "Left out of training": ", ".join(f"{n:,} {what}" for what, n in training.get("left_out", {}).items())
        or "nothing",
        "Chosen as": training.get("selected_on", "not recorded"),
    }


def _told(card: Card) -> dict[str, str]:
    """Of a model that was brought in: what its owner said of it."""
    declared = card.training["imported"]
    return {
        "Learnt from": f"{card.training['dataset']} (as was said when it was brought in)",
        "Fed as": f"{incoming.COLOURS[declared['colour']]}, {incoming.SCALES[declared['scale']]}",
        "Came as": declared["file"],
    }
