"""One Parquet file with the pictures in it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.selection import Sample, Selection

SCHEMA = pa.schema(
    [
        ("image", pa.binary()),
        ("file", pa.string()),
        ("label", pa.string()),
        ("split", pa.string()),
        ("subject", pa.string()),
        ("valence", pa.float64()),
        ("arousal", pa.float64()),
        ("votes", pa.string()),
    ]
)
"""`image` is the encoded file, `file` the sample's source, `votes` JSON: raters per label."""


def _write(selection: Selection, path: Path, ending: str) -> None:
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for group in selection.groups():
            columns = zip(*(_row(sample, data) for sample, data in group), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
            selection.rows += len(group)


def _row(sample: Sample, data: bytes) -> tuple:
    votes = json.dumps(sample.votes, ensure_ascii=False) if sample.votes else None
    return (
        data, sample.source, sample.label, sample.split, sample.subject, sample.valence, sample.arousal, votes
    )  # fmt: skip


FORM = Export(
    key="parquet",
    title="Parquet",
    sentence="One table with all of it: pictures, labels, splits, subjects, votes, valence and arousal.",
    endings=(".parquet",),
    write=_write,
)
