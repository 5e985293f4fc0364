"""What one person did without a break: how much, how fast, and what of it still stands."""

import json

import pandas as pd
import sqlalchemy as sa

from fer_core.dataset import ledger
from fer_core.dataset.store import Store, find_dataset
from fer_core.review.quality import BREAK

COLUMNS = ("who", "sitting", "from", "to", "answers", "standing", "changed", "pace", "queue")

_ANSWER = """event.kind = 'label' AND event.undoes IS NULL AND event.dataset = :dataset
    AND event.surfaced_by NOT IN (:restore, :file)"""

# The events are walked through in their order: most of a large ledger is answers, and an index is slower.
_SITTINGS = f"""
SELECT who, sitting, min(at), max(at), count(*), sum(id NOT IN (SELECT value FROM json_each(:out))),
    sum(changed), sum(gap <= :break), sum(CASE WHEN gap <= :break THEN gap ELSE 0 END)
FROM (
    SELECT id, who, sitting, at, changed,
        86400 * (moment - lag(moment) OVER (PARTITION BY who, sitting ORDER BY id)) AS gap
    FROM (
        SELECT id, who, sitting, at, new IS NOT old AS changed, julianday(at) AS moment
        FROM event NOT INDEXED WHERE {_ANSWER}
    )
)
GROUP BY who, sitting ORDER BY max(id) DESC
"""

_QUEUES = f"SELECT DISTINCT who, sitting, surfaced_by FROM event NOT INDEXED WHERE {_ANSWER}"

_REPORT = f"""
SELECT event.id, event.sample, sample.source, sample.image, event.at, event.old, event.new,
    event.surfaced_by, sample.label, sample.id IS NOT NULL AS here
FROM event LEFT JOIN sample ON sample.id = event.sample
WHERE {_ANSWER} AND event.kind <> 'import' AND event.who = :who AND event.sitting = :sitting
ORDER BY event.id
"""


def sittings(store: Store, dataset: str) -> pd.DataFrame:
    """Everyone's sittings, the newest first.

    Labels that a person gave without a sitting, as from a command line, stand in one row with an empty
    `sitting`. Restored versions and applied files are no answers.

    Returns:
        Columns who, sitting, from and to (UTC, ISO 8601), answers, standing (those of them that nobody
        took back), changed (those that gave another label; int64 all three), pace (answers a minute
        without breaks of more than two minutes; NaN of a single answer) and queue (what brought the
        pictures up; several with commas).

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        about = _about(connection, dataset)
        out = json.dumps(sorted(ledger.taken_back(connection, about["dataset"])))
        rows = connection.execute(sa.text(_SITTINGS), {**about, "out": out, "break": BREAK}).all()
        queues: dict[tuple[str, str], list[str]] = {}
        for who, sitting, queue in connection.execute(sa.text(_QUEUES), about):
            queues.setdefault((who, sitting), []).append(queue)
    found = [
        (who, sitting, *counts, 60 * steps / seconds if seconds else float("nan"),
         ", ".join(sorted(filter(None, queues[who, sitting]))))
        for who, sitting, *counts, steps, seconds in rows
    ]  # fmt: skip
    kinds = {"answers": "int64", "standing": "int64", "changed": "int64", "pace": "float64"}
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(kinds)


def report(store: Store, dataset: str, who: str, sitting: str) -> pd.DataFrame:
    """Every answer of a sitting in its order.

    Returns:
        Columns sample (int64), file, image, at, old, new, stands (bool: nobody took it back), now (its
        label today) and queue. Of a picture that was deleted there is no file, image or label any more.

    Raises:
        NotFound: no such dataset.
    """
    with store.read() as connection:
        about = _about(connection, dataset)
        out = ledger.taken_back(connection, about["dataset"])
        rows = connection.execute(sa.text(_REPORT), {**about, "who": who, "sitting": sitting}).all()
    names = ["sample", "file", "image", "at", "old", "new", "stands", "now", "queue"]
    found = [
        (r.sample, r.source, r.image, r.at, r.old, r.new, r.id not in out, r.label, r.surfaced_by)
        for r in rows
    ]
    return pd.DataFrame(found, columns=names, dtype=object).astype({"sample": "int64", "stands": bool})


def _about(connection: sa.Connection, dataset: str) -> dict:
    key = find_dataset(connection, dataset).id
    return {"dataset": key, "restore": ledger.BY_RESTORE, "file": ledger.BY_FILE}
