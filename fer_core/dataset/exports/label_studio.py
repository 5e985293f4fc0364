"""Label Studio: its JSON tasks with the pictures beside them, or with the pictures inside."""

import base64
import json
from pathlib import Path
from typing import TextIO
from xml.sax.saxutils import quoteattr

from fer_core import labels
from fer_core.dataset.exports.form import Export
from fer_core.dataset.exports.names import Names
from fer_core.dataset.exports.selection import Sample, Selection
from fer_core.dataset.exports.target import Files
from fer_core.dataset.store import Dataset

_KINDS = {".jpg": "jpeg", ".pgm": "x-portable-graymap", ".tif": "tiff", ".ppm": "x-portable-pixmap"}


def _write(selection: Selection, path: Path, ending: str) -> None:
    if ending == ".json":
        _tasks(selection, path, None)
        return
    # A zip takes one file at a time, so the tasks grow beside it while the pictures go in.
    tasks = path.with_name(f"{path.name}.tasks.part")
    try:
        with Files(path, ending == ".zip") as files:
            _tasks(selection, tasks, files)
            files.take("tasks.json", tasks)
            files.write("labeling_config.xml", _config(selection.dataset).encode())
    finally:
        tasks.unlink(missing_ok=True)


def _tasks(selection: Selection, path: Path, files: Files | None) -> None:
    names = Names(selection)
    with path.open("w", encoding="utf-8") as out:
        before = "[\n"
        for group in selection.groups():
            for sample, data in group:
                name = names.of(sample, data)
                if files:
                    place = f"images/{name}"
                    files.write(place, data)
                else:
                    kind = name.rpartition(".")[2]
                    packed = base64.b64encode(data).decode()
                    place = f"data:image/{_KINDS.get('.' + kind, kind)};base64,{packed}"
                _add(out, before, _task(sample, place))
                before = ",\n"
            selection.rows += len(group)
        out.write("\n]\n" if selection.rows else "[]\n")


def _add(out: TextIO, before: str, task: dict) -> None:
    out.write(before)
    json.dump(task, out, ensure_ascii=False)


def _task(sample: Sample, image: str) -> dict:
    """One task: the label is the annotation that is marked as true, each vote is one that is not."""
    said = {
        "image": image,
        "source": sample.source,
        "split": sample.split,
        "subject": sample.subject,
        "valence": sample.valence,
        "arousal": sample.arousal,
    }
    annotations = [_annotation(sample.label, True)] if sample.label or sample.votes else []
    for name, count in sample.votes.items():
        annotations += [_annotation(name, False)] * count
    return {"data": {k: v for k, v in said.items() if v is not None}, "annotations": annotations}


def _annotation(label: str | None, true: bool) -> dict:
    """A choice; an empty one says that there is no label, whatever the votes."""
    choice = {
        "from_name": "expression",
        "to_name": "image",
        "type": "choices",
        "value": {"choices": [label]},
    }
    return {"ground_truth": true, "was_cancelled": False, "result": [choice] if label else []}


def _config(dataset: Dataset) -> str:
    """What Label Studio's project settings ask for, so that its choices are the dataset's labels."""
    names = (*dataset.label_set.names, labels.UNSURE, labels.NOT_A_FACE)
    choices = "".join(f"\n    <Choice value={quoteattr(name)}/>" for name in names)
    return (
        '<View>\n  <Image name="image" value="$image"/>\n'
        f'  <Choices name="expression" toName="image" choice="single">{choices}\n  </Choices>\n</View>\n'
    )


FORM = Export(
    key="label_studio",
    title="Label Studio",
    sentence="Tasks with labels and votes as annotations, and the pictures beside them.",
    endings=(".zip", "", ".json"),
    write=_write,
)
