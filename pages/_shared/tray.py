"""The photos of one visit: in the session's memory only, and small enough for hundreds at once."""

import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from fer_core.imaging.decode import decode_image, encode_jpeg
from fer_core.imaging.detectors.base import Detector, shrunk
from fer_core.imaging.faces import Box
from fer_core.inference import photo
from fer_core.inference.photo import PhotoResult
from fer_core.inference.predictor import Predictor
from pages._shared import errors

MOST = 1000
"""Photos in one tray."""

ORIGINALS = 30_000_000
"""Bytes of photos that are kept as they came. Later ones are kept smaller, so that 300 phone photos need
some 100 MB and not a gigabyte."""

REDUCED = 1600
"""px of the longer side of a photo that is kept smaller."""

SHOWN = 1200
"""px of the longer side of a picture on the page."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known about one photo: a result with the picture to show, or why there is none.

    Attributes:
        result: its image has the photo's shape but no memory of its own.
        picture: JPEG with numbered boxes.
    """

    result: PhotoResult | None = None
    picture: bytes = b""
    error: str = ""


@dataclass(eq=False)
class Item:
    """One photo.

    Attributes:
        data: the file as it came, or a smaller JPEG of it (`reduced`).
        boxes: faces that the visitor drew, px; None where the detector looks.
        whole: the whole picture is the face.
        asked: what `answer` answers: model, checksum, detector, threshold.
    """

    number: int
    name: str
    data: bytes
    reduced: bool = False
    boxes: tuple[Box, ...] | None = None
    whole: bool = False
    asked: tuple[str, ...] = ()
    answer: Answer | None = None

    def ask_again(self, boxes: tuple[Box, ...] | None = None, whole: bool = False) -> None:
        """Read the photo anew: with the detector, with these boxes, or as a whole."""
        self.boxes, self.whole, self.answer = boxes, whole, None


@dataclass(eq=False)
class Tray:
    """All photos of a session, in the order in which they came."""

    items: list[Item] = field(default_factory=list)
    counter: int = 0
    stopped: bool = False

    def add(self, name: str, data: bytes) -> Item | None:
        """Lay a photo in; None where the tray is full."""
        if len(self.items) >= MOST:
            return None
        self.counter += 1
        self.stopped = False
        self.items.append(Item(self.counter, name, data))
        return self.items[-1]

    def clear(self) -> None:
        """Forget every photo and answer."""
        self.items.clear()

    def waiting(self, asked: tuple[str, ...]) -> list[Item]:
        """Photos without an answer from this model and detector."""
        return [item for item in self.items if item.answer is None or item.asked != asked]

    def read(
        self,
        item: Item,
        predictor: Predictor,
        detector: Detector,
        asked: tuple[str, ...],
        threshold: float | None = None,
    ) -> None:
        """Fill in the answer for one photo (threshold: see `photo.analyse`); what goes wrong is the answer
        too."""
        try:
            if not item.reduced and sum(len(i.data) for i in self.items if not i.reduced) > ORIGINALS:
                item.data, item.reduced = _smaller(item.data), True
            image = decode_image(item.data)
            result = photo.analyse(image, predictor, detector, item.name, item.boxes, item.whole, threshold)
            picture = encode_jpeg(photo.annotated(_fitted(result, SHOWN)), 85)
            # Hundreds of full photos would not fit in memory; a table only asks for the shape.
            shape_only = np.broadcast_to(np.zeros(3, np.uint8), image.shape)
            item.answer = Answer(replace(result, image=shape_only), picture)
        except Exception as error:  # noqa: BLE001 (one bad file must not stop the other 299)
            item.answer = Answer(error=errors.sentence(error))
        item.asked = asked

    def results(self) -> list[PhotoResult]:
        """The results there are."""
        return [item.answer.result for item in self.items if item.answer and item.answer.result]


def current() -> Tray:
    """This session's tray."""
    return st.session_state.setdefault("tray", Tray())


def take_in(tray: Tray, uploads: Iterable[UploadedFile]) -> None:
    """Move uploads into the tray."""
    for upload in uploads:
        tray.add(upload.name, upload.getvalue())
        release(upload)


def release(upload: UploadedFile) -> None:
    """Drop Streamlit's own copy of an upload, which it would keep for the session."""
    context = get_script_run_ctx()
    remove = getattr(context and context.uploaded_file_mgr, "remove_file", None)
    if context and remove:
        remove(context.session_id, upload.file_id)


def csv(results: Iterable[PhotoResult]) -> bytes:
    """The table of all faces as a file that spreadsheets open: UTF-8 with its mark, formulas disarmed."""
    frame = photo.table(results)
    if "file" in frame:
        frame["file"] = frame["file"].map(_disarmed)
    return frame.to_csv(index=False).encode("utf-8-sig")


def pictures(items: Iterable[Item]) -> bytes:
    """A zip of the annotated photos in full size, and the table."""
    buffer = io.BytesIO()
    results = []
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, item in _named(items):
            assert item.answer
            assert item.answer.result
            results.append(item.answer.result)
            drawn = photo.annotated(replace(item.answer.result, image=decode_image(item.data)))
            archive.writestr(name, encode_jpeg(drawn, 88))
        archive.writestr("faces.csv", csv(results))
    return buffer.getvalue()


def overview(items: Iterable[Item]) -> pd.DataFrame:
    """One row a photo: what came of it."""
    rows = []
    for item in items:
        answer = item.answer
        if answer is None:
            continue
        faces = answer.result.faces if answer.result else ()
        rows.append(
            {
                "photo": item.name,
                "faces": len(faces),
                "looks": ", ".join(f.verdict.label if f.verdict.sure else "can't tell" for f in faces),
                "note": answer.error or ("" if faces else "no face found"),
            }
        )
    return pd.DataFrame(rows)


def _named(items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    """A file name for each item with a result; numbered, since photos of one name may come twice."""
    for item in items:
        if item.answer and item.answer.result:
            stem = "".join(c if c.isalnum() or c in "-_. " else "_" for c in item.name.rsplit(".", 1)[0])
            yield f"{item.number:04d} {stem[:80].strip('. ') or 'photo'}.jpg", item


def _smaller(data: bytes) -> bytes:
    """The photo as a JPEG of at most REDUCED px, where that saves anything."""
    small = encode_jpeg(decode_image(data, max_side=REDUCED), 88)
    return small if len(small) < len(data) else data


def _fitted(result: PhotoResult, longest: int) -> PhotoResult:
    """The result on a smaller picture, so that captions are drawn in the size in which they are read."""
    small = shrunk(result.image, longest)
    factor = max(small.shape[:2]) / max(result.image.shape[:2])
    faces = tuple(replace(f, face=f.face.scaled(factor) if f.face else None) for f in result.faces)
    return replace(result, image=small, faces=faces)


def _disarmed(name: str) -> str:
    """A file name that no spreadsheet takes for a formula."""
    return "'" + name if name[:1] in "=+-@\t\r" else name
