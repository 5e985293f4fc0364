"""Label Studio's JSON export: tasks with a picture and the choices of one or several people."""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fer_core.dataset.importers import lists
from fer_core.dataset.importers.form import Form, Found, Reading
from fer_core.dataset.importers.forms import table
from fer_core.dataset.importers.source import Source, is_picture
from fer_core.errors import BadInput

_HASHED = re.compile(r"(?:^|/)[0-9a-f]{8}-([^/]+)$")
"""Label Studio puts eight hex digits before the name of an uploaded file."""

_WITHIN = "data:image/"
"""How a picture begins that stands in the task itself, as in our own export."""

_PREFERRED = ("emotion", "expression", "label", "choice", "sentiment")
_TIED = "Tasks whose annotators disagree evenly; imported without a label"


def _fits(source: Source) -> int:
    for path in lists.entries(source, ".json"):
        start = source.head(path).lstrip("\ufeff \r\n\t")
        if start.startswith(("[", "{")) and re.search(r'"(annotations|completions)"\s*:\s*\[', start):
            return 9 if '"data"' in start or '"result"' in start else 5
        if start.startswith("[") and '"data"' in start and '"image"' in start:
            return 7
    return 0


def _read(source: Source) -> Reading:
    problems: lists.Problems = {}
    found: dict[str, Found] = {}
    inside: dict[str, str] = {}
    for row in _tasks(source, problems, inside):
        if row.source in found:
            lists.note(problems, table.REPEATED, row.source)
        else:
            found[row.source] = row
    names = table.numbered({row.label for row in found.values() if row.label}, problems)

    def rows() -> Iterator[Found]:
        for row in found.values():
            yield row._replace(data=_unpacked(inside[row.path])) if row.path in inside else row

    return Reading(rows, names, None, problems)


def _tasks(source: Source, problems: lists.Problems, inside: dict[str, str]) -> Iterator[Found]:
    """What the tasks say; texts of pictures that stand in them go into `inside`, by the row's path."""
    files = lists.Files(source)
    for path in lists.entries(source, ".json"):
        for place, task in enumerate(_loaded(source.text(path), path), 1):
            data = task.get("data") if isinstance(task, dict) else None
            if not isinstance(data, dict):
                lists.note(problems, "Tasks without data; left out", f"{path}, task {place:,}")
                continue
            written = _written(data)
            if written.startswith(_WITHIN):
                picture: str | None = f"{path}:{place}"
                inside[f"{path}:{place}"] = written
            else:
                picture = _find(files, written, path) or _find(
                    files, str(task.get("file_upload") or ""), path
                )
            if picture is None:
                lists.note(problems, table.MISSING, f"{path}, task {place:,}: {written}")
                continue
            truth, choices = _choices(task, problems)
            row = {key.lower(): _text(value) for key, value in data.items()}
            given = table.described(picture, row, table.columns(list(row)), None, problems)
            yield given._replace(
                source=row.get("source") or picture,
                label=_label(choices, picture, problems) if truth is None else truth or None,
                votes=dict(Counter(choices)) if len(choices) > (truth is None) else None,
            )


def _loaded(text: str, path: str) -> list[Any]:
    try:
        tasks = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"Label Studio exports JSON. Received: {path}, which is not whole ({error}). Export it again."
        ) from error
    return tasks if isinstance(tasks, list) else [tasks]


def _written(data: Mapping[str, Any]) -> str:
    """Where a task's picture was: its field "image", else the first that looks like a picture."""
    texts = [data.get("image"), *data.values()]
    if within := next((v for v in texts if isinstance(v, str) and v.startswith(_WITHIN)), None):
        return within
    return next((v for v in texts if isinstance(v, str) and is_picture(v.split("?")[0] or v)), "") or (
        _text(data.get("image"))
    )


def _find(files: lists.Files, written: str, beside: str) -> str | None:
    """The file behind a path, a link, /data/local-files/?d=…, or an upload with a hash before its name."""
    if "://" in written or written.startswith("/data/"):
        parts = urlsplit(written)
        written = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    found = files.find(written, beside)
    if found is None and (match := _HASHED.search(written)):
        found = files.find(match[1], beside)
    return found


def _unpacked(text: str) -> bytes:
    """The bytes of a picture that stands in the task itself; none where they are damaged."""
    try:
        return base64.b64decode(text.partition(",")[2])
    except ValueError:
        return b""


def _choices(task: Mapping[str, Any], problems: lists.Problems) -> tuple[str | None, list[str]]:
    """What is marked as true, and what each of the others chose.

    Predictions, cancelled and empty annotations do not count. The first is None where nothing is
    marked as ground truth, and "" where that says there is no label.
    """
    given = task.get("annotations") or task.get("completions") or []
    truth, chosen = None, []
    for annotation in given:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        choice = _choice(annotation, problems)
        if annotation.get("ground_truth"):
            truth = choice
        elif choice:
            chosen.append(choice)
    return truth, chosen


def _choice(annotation: Mapping[str, Any], problems: lists.Problems) -> str:
    """The one choice of an annotation; "" where there is none, or more than one."""
    fields: dict[str, list[str]] = {}
    for result in annotation.get("result") or []:
        value = result.get("value") if isinstance(result, dict) else None
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            fields.setdefault(str(result.get("from_name")), []).extend(map(str, value["choices"]))
    if not fields:
        return ""
    name = next((name for name in _PREFERRED if name in fields), next(iter(fields)))
    if len(fields[name]) == 1:
        return fields[name][0]
    lists.note(problems, "Annotations with several choices; not counted", ", ".join(fields[name]))
    return ""


def _label(choices: list[str], picture: str, problems: lists.Problems) -> str | None:
    """The most frequent choice; None where there is none or two are equally frequent."""
    common = Counter(choices).most_common(2)
    if len(common) == 2 and common[0][1] == common[1][1]:
        lists.note(problems, _TIED, f"{picture}: {common[0][0]} or {common[1][0]}")
        return None
    return common[0][0] if common else None


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()


FORM = Form(
    key="label_studio",
    title="Label Studio",
    sentence="The JSON export of Label Studio, with the pictures that its tasks name.",
    fits=_fits,
    read=_read,
)
