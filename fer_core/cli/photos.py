"""Commands on photos: predict."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from fer_core.errors import BadInput
from fer_core.imaging import decode, detectors
from fer_core.inference import photo
from fer_core.inference.photo import PhotoResult
from fer_core.inference.predictor import Predictor
from fer_core.zoo import library, thresholds


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add this file's commands to the parser."""
    add = commands.add_parser("predict", help="read the expressions in photos")
    add.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    add.add_argument("--model", help="id of a model (see: models)")
    add.add_argument("--detector", default=detectors.DEFAULT, choices=sorted(detectors.DETECTORS))
    add.add_argument("--whole", action="store_true", help="take each picture as one face")
    out = add.add_mutually_exclusive_group()
    out.add_argument("--json", action="store_true", help="print JSON")
    out.add_argument("--csv", type=Path, metavar="FILE", help="write a table, one row a face")
    add.add_argument("--draw", type=Path, metavar="FOLDER", help="write the photos with boxes")
    add.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    """Photos are read one by one: a folder of any size fits in memory. A bad one does not stop the others."""
    predictor = Predictor.load(library.find(options.model or library.default_id() or "").folder)
    detector, threshold = detectors.get(options.detector), thresholds.of(predictor.card)
    tables, failed = [], 0
    if options.draw:
        options.draw.mkdir(parents=True, exist_ok=True)
    for path in options.photos:
        try:
            image = decode.decode_image(_bytes(path))
            result = photo.analyse(
                image, predictor, detector, path.name, whole=options.whole, threshold=threshold
            )
        except BadInput as error:
            failed += 1
            print(f"{path}: {error}", file=sys.stderr)
            continue
        tables.append(photo.table([result]))
        if options.draw:
            (options.draw / f"{path.stem}.faces.png").write_bytes(decode.encode_png(photo.annotated(result)))
        if options.json:
            print(json.dumps(_as_json(result)))
        elif not options.csv:
            print("\n".join(_lines(result)))
    if options.csv:
        frame = pd.concat(tables) if tables else pd.DataFrame()
        frame.to_csv(options.csv, index=False)
        print(f"{len(tables)} photos, {len(frame)} rows: {options.csv}")
    return 1 if failed else 0


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"A photo is a file that can be read ({error.strerror}).") from error


def _lines(result: PhotoResult) -> list[str]:
    if not result.faces:
        return [f"{result.name}: no face found (--whole takes the picture as one face)"]
    return [
        f"{result.name}: face {number} {found.verdict.sentence}"
        + (f" [{'; '.join(found.warnings)}]" if found.warnings else "")
        for number, found in enumerate(result.faces, 1)
    ]


def _as_json(result: PhotoResult) -> dict:
    """One photo as JSON: box in px of the upright photo, probabilities by name."""
    return {
        "file": result.name,
        "model": result.model,
        "faces": [
            {
                "box": asdict(found.face.box) if found.face else None,
                "looks": found.verdict.label,
                "sure": found.verdict.sure,
                "probabilities": {
                    n: round(float(p), 5)
                    for n, p in zip(result.labels.names, found.probabilities, strict=True)
                },
                "warnings": list(found.warnings),
            }
            for found in result.faces
        ],
    }
