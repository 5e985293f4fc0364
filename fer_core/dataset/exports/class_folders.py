"""A folder per split and class, with the pictures as they came."""

from pathlib import Path

from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.names import Names, folder
from fer_core.dataset.exports.selection import Selection
from fer_core.dataset.exports.target import Files


def _write(selection: Selection, path: Path, ending: str) -> None:
    names = Names(selection)
    with Files(path, ending == ".zip") as files:
        for group in selection.groups():
            for sample, data in group:
                files.write(f"{folder(sample)}/{names.of(sample, data)}", data)
            selection.rows += len(group)


FORM = Export(
    key="class_folders",
    title="Class folders",
    sentence="train/happy/photo.png and so on: what most programs read. Pictures as they came; "
    "no subjects, votes, valence or arousal.",
    endings=(".zip", ""),
    write=_write,
)
