"""The store: pictures, samples and labels of all datasets in one SQLite database."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from fer_core import labels, workspace
from fer_core.dataset import schema
from fer_core.errors import BadInput, Conflict, NotFound, StorageError
from fer_core.labels import LabelSet

SPLITS = ("train", "validation", "test", "none")

BUSY_SECONDS = 60
"""How long a writer waits for another; an import of 35,887 rows holds the database for a few seconds."""


@dataclass(frozen=True)
class Dataset:
    """A named set of samples that share one label set."""

    id: int
    name: str
    label_set: LabelSet
    created: str
    note: str


class Store:
    """All datasets of a workspace. May be shared by threads; several processes may open the same file."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, path_or_url: str | Path | None = None) -> "Store":
        """Open the database, or make it.

        Args:
            path_or_url: a file, or a sqlite:/// URL; None is studio.db in the workspace.

        Raises:
            BadInput: a URL of another kind of database.
            StorageError: not a database of this project, of a newer version of it, or not writable.
        """
        place = str(path_or_url or workspace.root() / "studio.db")
        if "://" in place and not place.startswith("sqlite:///"):
            raise BadInput(
                f"A store is a file or a sqlite:/// URL. Received: {place.split('://')[0]}://…. "
                "Give the path of a file."
            )
        url = place if "://" in place else sa.URL.create("sqlite", database=place)
        store = cls(_engine(url))
        try:
            store._prepare()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one unchanging state of the database.

        Raises:
            StorageError: the database cannot be read.
        """
        with _explained(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is stored when the block ends, or nothing if the block raises.

        Raises:
            Conflict: another writer did not finish in time, or a rule of the database was broken.
            StorageError: the disk is full, or the database cannot be written.
        """
        with (
            _explained(),
            self.engine.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def datasets(self) -> list[Dataset]:
        """All datasets, by name."""
        with self.read() as connection:
            rows = connection.execute(sa.select(schema.dataset).order_by(schema.dataset.c.name)).all()
        return [_dataset(row) for row in rows]

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            NotFound: there is none.
        """
        with self.read() as connection:
            return find_dataset(connection, name)

    def image_bytes(self, images: Iterable[str]) -> dict[str, bytes]:
        """The encoded files of some pictures, by id, in the order asked; read them with decode_image.

        Raises:
            NotFound: a picture is not in the store.
        """
        wanted = list(dict.fromkeys(images))
        found: dict[str, bytes] = {}
        columns = schema.image_data.c
        with self.read() as connection:
            for some in slices(wanted):
                query = sa.select(columns.image, columns.data).where(columns.image.in_(some))
                found.update(connection.execute(query).all())
        if missing := next((image for image in wanted if image not in found), None):
            raise NotFound(
                f"Pictures are found by the id that an import gave them. Received: image={missing!r}. "
                "Its sample may have been deleted: open the list again."
            )
        return {image: found[image] for image in wanted}

    def _prepare(self) -> None:
        """Make the tables of a new database; refuse one that is not ours."""
        with self.read() as connection:  # without waiting for whoever writes
            if _is_ready(connection):
                return
        with self.write() as connection:
            if _is_ready(connection):
                return
            if found := connection.exec_driver_sql("PRAGMA user_version").scalar_one():
                _migrate(connection, found)
                return
            if existing := sa.inspect(connection).get_table_names():
                raise StorageError(
                    "A store is an empty file or a database made by this program. "
                    f"Received: tables={existing[:5]}. Give another path."
                )
            schema.tables.create_all(connection)
            for rule in schema.RULES:
                connection.exec_driver_sql(rule)
            connection.exec_driver_sql(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")


def find_dataset(connection: sa.Connection, name: str) -> Dataset:
    """`Store.dataset` within a transaction.

    Raises:
        NotFound: there is none.
    """
    columns = schema.dataset.c
    row = connection.execute(sa.select(schema.dataset).where(columns.name == name)).one_or_none()
    if row is None:
        raise NotFound.of("dataset", name, connection.scalars(sa.select(columns.name)))
    return _dataset(row)


def ensure_dataset(connection: sa.Connection, name: str, label_set: LabelSet, note: str = "") -> Dataset:
    """The dataset of that name, made if it is not there.

    Raises:
        BadInput: an empty or overlong name.
        Conflict: it exists with another label set.
    """
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > 100 or not cleaned.isprintable():
        raise BadInput(f"A dataset's name has 1 to 100 letters. Received: {name[:120]!r}. Choose another.")
    columns = schema.dataset.c
    if connection.scalar(sa.select(columns.id).where(columns.name == cleaned)) is None:
        content = {"name": label_set.name, "names": list(label_set.names)}
        # A number that the ledger knows belongs to a dataset that was deleted.
        used = connection.scalars(
            sa.select(sa.func.max(columns.id)).union_all(sa.select(sa.func.max(schema.event.c.dataset)))
        ).all()
        key = max((number for number in used if number), default=0) + 1
        connection.execute(
            sa.insert(schema.dataset).values(
                id=key, name=cleaned, label_set=content, created=now(), note=note
            )
        )
    found = find_dataset(connection, cleaned)
    if found.label_set.names != label_set.names:
        raise Conflict(
            f"A dataset keeps one label set. Received: {cleaned!r} with {', '.join(label_set.names)}; it has "
            f"{', '.join(found.label_set.names)}. Import under another name."
        )
    return found


def now() -> str:
    """This moment, UTC, ISO 8601 with milliseconds; sorts as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def slices(items: list, size: int = 5000) -> Iterator[list]:
    """Parts of a list, each short enough for the variables of one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _is_ready(connection: sa.Connection) -> bool:
    found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if found > schema.SCHEMA_VERSION:
        raise StorageError(
            f"This version reads databases up to schema {schema.SCHEMA_VERSION}. "
            f"Received: schema={found}. Update the program, or open another workspace."
        )
    return found == schema.SCHEMA_VERSION


def _migrate(connection: sa.Connection, found: int) -> None:
    """Bring a database of an older version up to date."""
    schema.tables.create_all(connection)
    for table in schema.tables.tables.values():
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    for rule in schema.RULES:
        connection.exec_driver_sql(rule)
    for older in range(found, schema.SCHEMA_VERSION):
        for statement in schema.MIGRATIONS[older]:
            connection.exec_driver_sql(statement)
    connection.exec_driver_sql(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")


def _dataset(row: sa.Row) -> Dataset:
    known = labels.LABEL_SETS.get(row.label_set["name"])
    names = tuple(row.label_set["names"])
    label_set = known if known and known.names == names else LabelSet(row.label_set["name"], names)
    return Dataset(row.id, row.name, label_set, row.created, row.note)


def _engine(url: str | sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=8, max_overflow=24)

    @sa.event.listens_for(engine, "connect")
    def prepare(connection, _record) -> None:
        # The driver would begin transactions by its own rules; here `begin` below does.
        connection.isolation_level = None
        for pragma in (
            "page_size = 8192",  # three 48x48 pictures a page instead of one
            "journal_mode = WAL",  # readers never wait for a writer
            "synchronous = FULL",  # a label that the screen calls saved survives a power cut
            "foreign_keys = ON",
            "cache_size = -65536",
            "journal_size_limit = 67108864",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A writer takes its place before it reads; otherwise two that read first could not both write.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the database says into an error that a user can act on."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        said = str(error.orig)
        if "locked" in said:
            raise Conflict(
                f"One writer at a time. Received: {said} for {BUSY_SECONDS} s. "
                "Wait for the import that is running, then try again."
            ) from error
        if isinstance(error, sa.exc.IntegrityError):
            raise Conflict(f"The database keeps its rules. Received: {said}. Nothing was changed.") from error
        raise StorageError(
            f"The database must be readable and writable. Received: {said}. "
            "Nothing was stored; free some space or check the folder, then try again."
        ) from error
