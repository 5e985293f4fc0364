"""The tables, and the rules that the database itself keeps."""

import sqlalchemy as sa

SCHEMA_VERSION = 4
"""Older databases are brought up to date when they are opened (MIGRATIONS)."""

tables = sa.MetaData()

image = sa.Table(
    "image",
    tables,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""What a picture is: `id` is the hash of its pixels, so the same pixels are stored once."""

image_data = sa.Table(
    "image_data",
    tables,
    sa.Column("image", sa.ForeignKey("image.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""The encoded file, apart from `image` so that looking through sizes never reads a picture.

Bytes live in the database, not in files: an import is one transaction, a backup is one file,
and reading a few kB from SQLite is faster than opening a file
(Source: sqlite.org/fasterthanfs.html).
"""

dataset = sa.Table(
    "dataset",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("label_set", sa.JSON, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)

sample = sa.Table(
    "sample",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.ForeignKey("dataset.id"), nullable=False),
    sa.Column("image", sa.ForeignKey("image.id"), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("label", sa.Text),
    sa.Column("subject", sa.Text),
    sa.Column("valence", sa.Float),
    sa.Column("arousal", sa.Float),
    sa.UniqueConstraint("dataset", "source"),
    sa.CheckConstraint("split IN ('train', 'validation', 'test', 'none')"),
    sa.CheckConstraint("valence BETWEEN -1 AND 1"),
    sa.CheckConstraint("arousal BETWEEN -1 AND 1"),
    # Each order that the grid offers is an index, so that page 20,000 costs what page 1 does.
    # Every index ends with the row's id. By picture is a shuffled order: its id is a hash.
    sa.Index("sample_all", "dataset"),
    sa.Index("sample_split", "dataset", "split"),
    sa.Index("sample_page", "dataset", "split", "label", "id"),
    sa.Index("sample_label", "dataset", "label", "id"),
    sa.Index("sample_shuffled", "dataset", "image"),
    sa.Index("sample_subject", "dataset", "subject", sqlite_where=sa.text("subject IS NOT NULL")),
    sa.Index("sample_image", "image"),
    # The id of a deleted sample is never given again: its events stay in the ledger.
    sqlite_autoincrement=True,
)
"""One occurrence of a picture in a dataset. `label` repeats the ledger's newest event."""

tally = sa.Table(
    "tally",
    tables,
    sa.Column("dataset", sa.Integer, primary_key=True),
    sa.Column("split", sa.Text, primary_key=True),
    sa.Column("label", sa.Text, primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
"""How many samples each split and label has, kept by triggers: counting a million rows takes a while.

`label` is "" for samples without one.
"""

votes = sa.Table(
    "votes",
    tables,
    sa.Column("sample", sa.ForeignKey("sample.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("rater", sa.Text, primary_key=True),
    sa.Column("counts", sa.JSON, nullable=False),
)

event = sa.Table(
    "event",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    # No foreign key: the ledger outlives its samples.
    sa.Column("sample", sa.Integer, nullable=False),
    sa.Column("dataset", sa.Integer, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("old", sa.Text),
    sa.Column("new", sa.Text),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("surfaced_by", sa.Text, nullable=False, server_default=""),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("sitting", sa.Text, nullable=False, server_default=""),
    sa.Column("undoes", sa.Integer),
    sa.CheckConstraint("kind IN ('import', 'label', 'undo', 'removed')"),
    sa.Index("event_sample", "sample", "id"),
    sa.Index("event_dataset", "dataset", "id"),
    sa.Index("event_batch", "batch", sqlite_where=sa.text("kind <> 'import'")),
    sa.Index("event_who", "who", "id", sqlite_where=sa.text("kind <> 'import'")),
    sa.Index("event_change", "dataset", "sample", sqlite_where=sa.text("kind <> 'import'")),
    sa.Index("event_removed", "dataset", "id", sqlite_where=sa.text("kind = 'removed'")),
    sa.Index("event_queue", "dataset", "surfaced_by", "sample", sqlite_where=sa.text("kind = 'label'")),
    sa.Index("event_undoes", "undoes", sqlite_where=sa.text("undoes IS NOT NULL")),
    sqlite_autoincrement=True,
)
"""The ledger of labels: rows are added, never changed.

The door for "delete this person's pictures": delete the `sample` rows (votes follow) and the
`image` rows that no sample uses any more (image_data follows), and add one event of kind
'removed' for each. Earlier events stay; they hold names of labels, nothing of the picture.
"""

arrival = sa.Table(
    "arrival",
    tables,
    sa.Column("batch", sa.Text, primary_key=True),
    sa.Column("dataset", sa.ForeignKey("dataset.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("first", sa.Integer, nullable=False),
    sa.Column("last", sa.Integer, nullable=False),
)
"""One import that added samples: those of its dataset with ids from `first` to `last`.

One import writes at a time, so its samples have ids in a row.
"""

measure = sa.Table(
    "measure",
    tables,
    sa.Column("image", sa.ForeignKey("image.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("brightness", sa.Float, nullable=False),
    sa.Column("contrast", sa.Float, nullable=False),
    sa.Column("sharpness", sa.Float, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("faces", sa.Integer),
    sqlite_with_rowid=False,
)
"""What a look at a picture's pixels found, whatever dataset it is in (dataset/measures.py); can be made anew.

`faces` is NULL until somebody asks for it: looking for faces takes longer than all the rest.
"""

checkup = sa.Table(
    "checkup",
    tables,
    sa.Column("dataset", sa.ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("event", sa.Integer, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
"""When a dataset was last looked through for faults, and how far its ledger went then."""

finding = sa.Table(
    "finding",
    tables,
    sa.Column("dataset", sa.ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("sample", sa.ForeignKey("sample.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("score", sa.Float, nullable=False),
    sa.Column("cluster", sa.Integer),
    sa.Index("finding_page", "dataset", "kind", "score", "sample"),
    sa.Index("finding_cluster", "dataset", "kind", "cluster", "sample"),
    sa.Index("finding_sample", "sample"),
    sqlite_with_rowid=False,
)
"""What the last checkup suspects (dataset/findings.py): a greater score is a stronger suspicion.

Samples that belong together, as duplicates do, share a cluster.
"""

version = sa.Table(
    "version",
    tables,
    sa.Column("dataset", sa.ForeignKey("dataset.id"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, index=True),
    sa.Column("event", sa.Integer, nullable=False),
    sa.Column("rows", sa.Integer, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)
"""A name for a place in the ledger."""

evaluation = sa.Table(
    "evaluation",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("weights", sa.Text, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("split", sa.Text, nullable=False),
    sa.Column("faces", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("figures", sa.JSON, nullable=False),
    sa.UniqueConstraint("weights", "dataset", "version", "split", "faces"),
    sqlite_autoincrement=True,
)
"""The register of evaluations: which weights were measured on which manifest and split, and what came out.

Append-only, by the rules below: who looked at a test split cannot take it back. No foreign keys: an entry
outlives its model and its dataset.
"""

look = sa.Table(
    "look",
    tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sample", sa.Integer, nullable=False),
    sa.Column("dataset", sa.Integer, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("label", sa.Text),
    sa.Column("answer", sa.Text, nullable=False, unique=True),
    sa.Column("sitting", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("kind IN ('second', 'gold')"),
    sa.Index("look_dataset", "dataset", "who"),
    sqlite_autoincrement=True,
)
"""Answers that change no label: a blind second look at one's own, or at a gold image. Append-only.

`answer` is made by whoever answers, so that the same answer sent twice counts once.
"""

gold = sa.Table(
    "gold",
    tables,
    sa.Column("sample", sa.ForeignKey("sample.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)
"""Samples whose label is beyond doubt, by which people are measured."""

claim = sa.Table(
    "claim",
    tables,
    sa.Column("queue", sa.Text, primary_key=True),
    sa.Column("sample", sa.ForeignKey("sample.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("until", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)
"""Who has a sample of a queue before them, and until when nobody else gets it."""

_COUNT = """INSERT INTO tally (dataset, split, label, n)
    VALUES ({row}.dataset, {row}.split, ifnull({row}.label, ''), 1)
    ON CONFLICT DO UPDATE SET n = n {change}"""

# The database keeps these rules itself, so that no code, script or hurried hand can break them.
RULES = (
    """CREATE TRIGGER IF NOT EXISTS event_is_never_changed BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: events are never changed'); END""",
    """CREATE TRIGGER IF NOT EXISTS event_is_never_deleted BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: events are never deleted'); END""",
    # INSERT OR REPLACE would delete a row without firing the trigger above.
    """CREATE TRIGGER IF NOT EXISTS event_is_never_replaced BEFORE INSERT ON event
    WHEN EXISTS (SELECT 1 FROM event WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: events are never replaced'); END""",
    """CREATE TRIGGER IF NOT EXISTS evaluation_is_never_changed BEFORE UPDATE ON evaluation
    BEGIN SELECT RAISE(ABORT, 'the register of evaluations is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS evaluation_is_never_deleted BEFORE DELETE ON evaluation
    BEGIN SELECT RAISE(ABORT, 'the register of evaluations is append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS look_is_never_changed BEFORE UPDATE ON look
    BEGIN SELECT RAISE(ABORT, 'looks are append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS look_is_never_deleted BEFORE DELETE ON look
    BEGIN SELECT RAISE(ABORT, 'looks are append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS event_sets_label AFTER INSERT ON event WHEN NEW.kind <> 'removed'
    BEGIN UPDATE sample SET label = NEW.new WHERE id = NEW.sample AND label IS NOT NEW.new; END""",
    """CREATE TRIGGER IF NOT EXISTS label_follows_ledger BEFORE UPDATE OF label ON sample
    WHEN NEW.label IS NOT (SELECT new FROM event WHERE sample = NEW.id ORDER BY id DESC LIMIT 1)
    BEGIN SELECT RAISE(ABORT, 'a label changes only through the ledger: add an event'); END""",
    # Versions name only a place in the ledger; they hold because the rest of a sample never changes.
    """CREATE TRIGGER IF NOT EXISTS sample_is_fixed
    BEFORE UPDATE OF id, dataset, image, source, split ON sample
    BEGIN SELECT RAISE(ABORT, 'picture, source and split of a sample are fixed at import'); END""",
    """CREATE TRIGGER IF NOT EXISTS votes_are_fixed BEFORE UPDATE ON votes
    BEGIN SELECT RAISE(ABORT, 'votes are fixed once they are stored'); END""",
    f"""CREATE TRIGGER IF NOT EXISTS sample_is_counted AFTER INSERT ON sample
    BEGIN {_COUNT.format(row="NEW", change="+ 1")}; END""",
    f"""CREATE TRIGGER IF NOT EXISTS relabelled_is_counted AFTER UPDATE OF label ON sample
    BEGIN {_COUNT.format(row="OLD", change="- 1")}; {_COUNT.format(row="NEW", change="+ 1")}; END""",
    f"""CREATE TRIGGER IF NOT EXISTS deleted_is_counted AFTER DELETE ON sample
    BEGIN {_COUNT.format(row="OLD", change="- 1")}; END""",
)

MIGRATIONS = {
    1: (
        # Versions of schema 1 wrote the samples of an import in a row too.
        "INSERT INTO arrival (batch, dataset, what, who, at, first, last) "
        "SELECT batch, dataset, max(why), max(who), max(at), min(sample), max(sample) "
        "FROM event WHERE kind = 'import' GROUP BY batch, dataset",
        "INSERT INTO tally (dataset, split, label, n) "
        "SELECT dataset, split, ifnull(label, ''), count(*) FROM sample GROUP BY 1, 2, 3",
    ),
    2: (),
    3: (),
}
"""Schema version -> statements that make the next one of it, after its new tables and indexes are there."""
