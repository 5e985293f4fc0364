"""Parquet with the pictures in it: what FER Studio exports, and what Hugging Face's datasets are kept in."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.forms import table
from fer_core.dataset.importers.source import Source
from fer_core.errors import BadInput

ENDING = ".parquet"

SIZE_LIMIT = 2 << 30
"""Bytes of one file: it is held in memory while its pictures are read."""


def _fits(source: Source) -> int:
    found = lists.entries(source, ENDING)
    return 8 if found and all(source.head(path, 4) == "PAR1" for path in found) else 0


def _read(source: Source) -> Reading:
    problems: lists.Problems = {}
    found: dict[str, tuple[Found, pa.Scalar | None]] = {}
    files = lists.Files(source)
    for path in lists.entries(source, ENDING):
        for row, picture in _rows(source, path, files, problems):
            if row.source in found:
                lists.note(problems, table.REPEATED, f"{path}: {row.source}")
            else:
                found[row.source] = row, picture
    names = table.numbered({row.label for row, _ in found.values() if row.label}, problems)

    def rows() -> Iterator[Found]:
        for row, picture in found.values():
            yield row if picture is None else row._replace(data=picture.as_py())

    return Reading(rows, names, None, problems)


def _rows(
    source: Source, path: str, files: lists.Files, problems: lists.Problems
) -> Iterator[tuple[Found, pa.Scalar | None]]:
    content = _opened(source, path)
    small = content.drop_columns([f.name for f in content.schema if _is_picture(f.type)]).to_pylist()
    held = next((content[f.name] for f in content.schema if _is_picture(f.type)), None)
    inner = held is not None and pa.types.is_struct(held.type)
    paths = pc.struct_field(held, "path").to_pylist() if inner and _has(held, "path") else [""] * len(small)
    data = pc.struct_field(held, "bytes") if inner else held
    if data is None and "path" not in table.columns(list(small[0] if small else {})):
        raise BadInput(
            "A Parquet table of pictures has a column of image files, or of their paths. "
            f"Received: {path} with {', '.join(content.schema.names)}. Choose another file."
        )
    named = table.columns([name.lower() for name in content.schema.names])
    classes, split = _class_names(content.schema), lists.split_of_name(path)
    for place, values in enumerate(small):
        row = {name.lower(): _text(value, classes.get(name)) for name, value in values.items()}
        written = row.get(named.get("path", ""), "") or paths[place] or ""
        key: str | None = f"{path}:{place + 1}"
        if data is None:
            key = files.find(written, path)
        elif not data[place].is_valid:
            key = None
        if key is None:
            lists.note(problems, table.MISSING, f"{path}, row {place + 1:,}: {written}")
            continue
        given = table.described(key, row, named, split, problems)
        if data is None:
            yield given, None
        else:
            # The file's own name is what another export of the same samples would say too.
            given = given._replace(source=written or key, path=path, votes=_votes(row.get("votes", "")))
            yield given, data[place]


def _opened(source: Source, path: str) -> pa.Table:
    try:
        return pq.read_table(io.BytesIO(source.read(path, SIZE_LIMIT)))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BadInput(
            f"A Parquet file must be whole. Received: {path} ({str(error)[:120]}). Get it again."
        ) from error


def _votes(text: str) -> dict[str, int] | None:
    """Raters per label, which our own export writes as JSON."""
    try:
        given = json.loads(text or "null")
    except ValueError:
        return None
    if not isinstance(given, dict) or not all(type(n) is int and n >= 0 for n in given.values()):
        return None
    return given or None


def _is_picture(kind: pa.DataType) -> bool:
    """A column of files: bytes, or bytes with a path as Hugging Face keeps them."""
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" and _is_picture(field.type) for field in kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _has(column: pa.ChunkedArray, name: str) -> bool:
    return any(field.name == name for field in column.type)


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Names of numbered classes, by column, where Hugging Face's metadata has them."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: [*map(str, f["names"])] for name, f in features.items() if f.get("names")}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _text(value: Any, names: list[str] | None) -> str:
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return "" if value is None or isinstance(value, (dict, list, bytes)) else str(value).strip()


FORM = Form(
    key="parquet",
    title="Parquet",
    sentence="A table with a column of pictures or of their paths, as FER Studio and Hugging Face write it.",
    fits=_fits,
    read=_read,
)
