"""What people answered: everyone's newest answer to each picture, and what they say together.

People are told apart by their names alone: two of one name count as one person, and somebody who comes
under another name as another one.
"""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import sqlalchemy as sa

from fer_core import labels
from fer_core.dataset import ledger, schema, versions, votes
from fer_core.dataset.store import Dataset, Store, find_dataset, slices
from fer_core.errors import BadInput
from fer_core.evaluation import agreement
from fer_core.training import runs, targets
from fer_core.training.config import TrainingConfig
from fer_core.training.runs import Run

METHODS = MappingProxyType(
    {
        "majority": "Majority: every answer counts alike",
        "dawid-skene": "Dawid and Skene: who agrees more with the others counts more",
    }
)
"""How a label is made of several answers, in words."""

BY_CONSENSUS = "consensus"
"""Stands in the ledger as `surfaced_by` of labels that follow from answers."""

_NOT_SEEN = (BY_CONSENSUS, ledger.BY_RESTORE, ledger.BY_FILE, ledger.BY_FILTER)
"""`surfaced_by` of labels that somebody wrote without a look at the picture."""

# The plus keeps SQLite from walking through all events of the dataset: few undo anything.
_TAKEN_BACK = "SELECT id, undoes FROM event WHERE +dataset = :dataset AND undoes IS NOT NULL ORDER BY id DESC"

_COPIES = """
WITH several AS (
    SELECT batch FROM event WHERE kind <> 'import' GROUP BY batch HAVING count(*) > 1
)
SELECT id FROM (
    SELECT event.id, event.dataset,
        row_number() OVER (PARTITION BY event.batch, sample.image ORDER BY event.id) AS place
    FROM several JOIN event ON event.batch = several.batch JOIN sample ON sample.id = event.sample
    WHERE event.kind <> 'import'
) WHERE place > 1 AND dataset = :dataset
"""
"""Labels that came along with the first of their batch, because they are of the very same picture."""

_ANSWERS = """
SELECT event.id, event.sample, event.who, event.new, event.old, event.at, event.sitting, event.surfaced_by
FROM event JOIN sample ON sample.id = event.sample
WHERE event.dataset = :dataset AND event.kind = 'label' AND event.undoes IS NULL {only}
ORDER BY event.id
"""


def answers_of(store: Store, dataset: str, who: str | None = None) -> pd.DataFrame:
    """Every answer that somebody gave with the picture before their eyes and that was not taken back.

    An answer is a labelling by hand. An undo takes it back, whoever undoes; undoing the undo gives it
    again. Imports, restored versions, applied files, consensus and the exact copies that a label was
    given to in the same go are no answers. Of pictures that were deleted nothing is told.

    Args:
        who: this person's alone; None is everybody's.

    Returns:
        Columns sample (int64), who, label, old (what it was labelled before; names or None), at (UTC,
        ISO 8601) and sitting, the oldest first.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        key = {"dataset": find_dataset(connection, dataset).id}
        taken_back: set[int] = set()
        for event, undone in connection.execute(sa.text(_TAKEN_BACK), key):
            # The newest first: an undo that was itself taken back takes nothing back.
            if event not in taken_back:
                taken_back.add(undone)
        unseen = taken_back | set(connection.scalars(sa.text(_COPIES), key))
        only = "AND event.who = :who" if who is not None else ""
        query = sa.text(_ANSWERS.format(only=only))
        # All at once: one by one a million rows would take twice as long.
        found = connection.execute(query, key | ({"who": who} if only else {})).all()
        names = ["id", "sample", "who", "label", "old", "at", "sitting", "surfaced_by"]
        columns = list(zip(*found, strict=True)) or [()] * len(names)
    table = {n: pd.Series(c, dtype=object) for n, c in zip(names, columns, strict=True)}
    frame = pd.DataFrame(table).astype({"id": "int64", "sample": "int64"})
    seen = ~frame["surfaced_by"].isin(_NOT_SEEN) & ~frame["id"].isin(unseen)
    return frame.loc[seen, ["sample", "who", "label", "old", "at", "sitting"]].reset_index(drop=True)


def votes_of(store: Store, dataset: str) -> pd.DataFrame:
    """Each person's newest answer to each picture, a row each: columns sample, who, label and at.

    Who took the label away from a picture has no vote on it any more. "unsure" and "not a face" are
    answers like others.

    Raises:
        NotFound: no such dataset.
    """
    return newest(answers_of(store, dataset))


def newest(answers: pd.DataFrame) -> pd.DataFrame:
    """`votes_of` from `answers_of`."""
    frame = answers.drop_duplicates(["sample", "who"], keep="last")
    return frame.loc[frame["label"].notna(), ["sample", "who", "label", "at"]].reset_index(drop=True)


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    """All answers that a dataset takes, in the order of every table."""
    return (*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE)


def conflicts(frame: pd.DataFrame) -> pd.DataFrame:
    """The votes on pictures that people answered differently, in `votes_of`'s columns, by sample."""
    differing = frame.groupby("sample")["label"].nunique()
    inside = frame["sample"].isin(differing.index[differing > 1])
    return frame[inside].sort_values(["sample", "who"], kind="stable", ignore_index=True)


def vote_table(store: Store, dataset: str) -> pd.DataFrame:
    """How many people gave each answer: columns sample and `votes:<label>`, as in a manifest.

    Raises:
        NotFound: no such dataset.
    """
    frame = votes_of(store, dataset)
    names = [n for n in classes_of(store.dataset(dataset)) if (frame["label"] == n).any()]
    samples, table = _tally(frame, names)
    counted = pd.DataFrame(table, columns=[votes.PREFIX + name for name in names])
    return pd.concat([pd.DataFrame({"sample": samples}), counted], axis=1)


def with_answers(manifest: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """A manifest whose votes are what people answered here, for a training with `targets="votes"`.

    The label of a picture that nobody answered counts as its one vote.

    Args:
        table: from `vote_table`.

    Raises:
        BadInput: nobody answered any of its pictures.
    """
    plain = manifest.drop(columns=[votes.PREFIX + name for name in votes.names(manifest)])
    joined = plain.merge(table, on="sample", how="left")
    answered = [votes.PREFIX + name for name in votes.names(table)]
    alone = joined[answered].isna().all(axis=1)
    if alone.all():
        raise BadInput(
            "Learning from answers needs some. Received: a dataset of which nobody labelled a picture. "
            "Label some, or train on the labels."
        )
    for name in sorted({*votes.names(table), *plain["label"].dropna()}):
        column = votes.PREFIX + name
        given = joined[column].fillna(0) if column in answered else 0
        joined[column] = np.where(alone, joined["label"] == name, given).astype(int)
    return joined


def start(store: Store, config: TrainingConfig) -> Run:
    """Set up a training that learns how the people here answered, as soft targets; enqueue it to begin.

    Raises:
        BadInput: nobody answered any picture, or the rest of the settings does not fit the dataset.
        NotFound: no such dataset or version.
    """
    wanted = replace(config, targets="votes", second_head=0.0)
    rows = versions.manifest(store, config.dataset, config.version)
    manifest = with_answers(rows, vote_table(store, config.dataset))
    targets.prepare(manifest, wanted, labels.get(config.label_set))
    return runs.create(wanted, manifest)


def consensus(store: Store, dataset: str, method: str = "majority", least: int = 2) -> pd.DataFrame:
    """What people say together of each picture that enough of them answered.

    Args:
        method: of METHODS. Dawid and Skene's needs three people or more to tell who is right.
        least: answers that a picture must have.

    Returns:
        Columns sample (int64), label (a name; None for a tie), certainty (share of the answers, or the
        probability that Dawid and Skene's method gives it), answers (int64, how many) and present (its
        label now, or None).

    Raises:
        NotFound: no such dataset.
        BadInput: no such method.
    """
    if method not in METHODS:
        raise BadInput(f"Consensus is made by {' or '.join(METHODS)}. Received: method={method!r}.")
    frame, names = votes_of(store, dataset), classes_of(store.dataset(dataset))
    samples, table = _tally(frame, names)
    if method == "majority":
        winner, _ = agreement.majority(table)
        certainty = table.max(axis=1, initial=0) / np.maximum(table.sum(axis=1), 1)
    else:
        people, who = np.unique(frame["who"].to_numpy(str), return_inverse=True)
        shape = (len(samples), len(people), len(names))
        place = np.searchsorted(samples, frame["sample"])
        found = agreement.dawid_skene(place, who, _codes(frame, names), shape)
        winner, certainty = found.posterior.argmax(axis=1), found.posterior.max(axis=1)
    enough = table.sum(axis=1) >= max(least, 1)
    said = np.array([*names, None], object)[winner]  # NOBODY, -1, is the last
    return pd.DataFrame(
        {
            "sample": samples[enough],
            "label": pd.Series(said[enough], dtype=object),
            "certainty": certainty[enough],
            "answers": table.sum(axis=1)[enough],
            "present": pd.Series(_present(store, samples[enough].tolist()), dtype=object),
        }
    )


def changed(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a consensus whose label is another one than at present; ties are not among them."""
    return frame[frame["label"].notna() & (frame["label"] != frame["present"])].reset_index(drop=True)


def write_consensus(
    store: Store, dataset: str, who: str, method: str = "majority", least: int = 2, certainty: float = 0.0
) -> ledger.Change:
    """Give pictures the label that people agree on, as one batch that `ledger.undo` takes back.

    Args:
        certainty: labels that are less certain than this are left as they are.

    Returns:
        The new events; none where all is as people say.

    Raises:
        NotFound: no such dataset.
        BadInput: no such method, or no name in `who`.
        Conflict, StorageError: it could not be stored; then nothing was.
    """
    found = changed(consensus(store, dataset, method, least))
    wanted = found[found["certainty"] >= certainty]
    why = f"{METHODS[method].split(':')[0]} of {least} answers or more"
    pairs = zip(wanted["sample"].tolist(), wanted["label"], strict=True)
    return ledger.relabel(store, pairs, who, why, BY_CONSENSUS)


def _tally(frame: pd.DataFrame, names: tuple[str, ...] | list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(N,) samples in order and (N, K) how many gave each answer."""
    samples, place = np.unique(frame["sample"].to_numpy(np.int64), return_inverse=True)
    return samples, agreement.tally(place, _codes(frame, names), len(samples), len(names))


def _codes(frame: pd.DataFrame, names: tuple[str, ...] | list[str]) -> np.ndarray:
    return pd.Categorical(frame["label"], categories=list(names)).codes.astype(np.int64)


def _present(store: Store, samples: list[int]) -> list[str | None]:
    found: dict[int, str | None] = {}
    with store.read() as connection:
        for some in slices(samples):
            query = sa.select(schema.sample.c.id, schema.sample.c.label)
            found.update(connection.execute(query.where(schema.sample.c.id.in_(some))).all())
    return [found.get(sample) for sample in samples]
