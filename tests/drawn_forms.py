"""Small datasets in exactly the forms that the well-known ones are published in; every picture is drawn."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_core.imaging.decode import encode_jpeg, encode_png

LANDMARKS = ";".join(f"{x}.5;{x + 10}.25" for x in range(100, 168))


def picture(seed: int, ending: str = ".png", side: int = 12) -> bytes:
    """A drawn picture that no other seed gives."""
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    return encode_png(noise) if ending == ".png" else encode_jpeg(noise)


def put(folder: Path, *paths: str) -> None:
    """Draw a picture at each path."""
    for path in paths:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture(len(list(folder.rglob("*"))), target.suffix))


def write(folder: Path, path: str, content: str | bytes) -> Path:
    """Write a file, making its folders."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    return target


def affectnet_annotated(folder: Path) -> Path:
    """train_set/images/N.jpg with annotations N_exp.npy, N_val.npy, N_aro.npy, N_lnd.npy."""
    rows = {
        "train_set": [(0, 0, 0.1, -0.2), (7, 1, 0.8, 0.3), (12, 7, -2, -2)],
        "val_set": [(3, 6, -0.5, 0.9)],
    }
    for split, some in rows.items():
        for number, expression, valence, arousal in some:
            put(folder, f"{split}/images/{number}.jpg")
            for kind, value in {"exp": str(expression), "val": str(valence), "aro": str(arousal)}.items():
                buffer = io.BytesIO()
                np.save(buffer, np.array(value))
                write(folder, f"{split}/annotations/{number}_{kind}.npy", buffer.getvalue())
            buffer = io.BytesIO()
            np.save(buffer, np.zeros(136))
            write(folder, f"{split}/annotations/{number}_lnd.npy", buffer.getvalue())
    return folder


def affectnet_listed(folder: Path) -> Path:
    """The full set: training.csv with the columns' names, validation.csv without."""
    names = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
    names += "expression,valence,arousal"
    put(folder, *(f"Manually_Annotated_Images/{n}/{n:x}0af.jpg" for n in (1, 2, 3, 4, 5)))
    rows = [(1, 1, 0.7, 0.1), (2, 9, -2, -2), (3, 10, -2, -2), (4, 8, 0.0, 0.2), (9, 0, 0, 0)]
    lines = [f"{n}/{n:x}0af.jpg,13,13,89,89,{LANDMARKS},{e},{v},{a}" for n, e, v, a in rows]
    write(folder, "Manually_Annotated_file_lists/training.csv", "\n".join([names, *lines]) + "\n")
    line = f"5/50af.jpg,13,13,89,89,{LANDMARKS},5,-0.75,0.25"
    write(folder, "Manually_Annotated_file_lists/validation.csv", line + "\n")
    return folder


def affectnet_folders(folder: Path) -> Path:
    """AffectNet/train/0 … 7 and val/0 … 7."""
    for number in range(8):
        put(folder, f"AffectNet/train/{number}/{number}1.jpg", f"AffectNet/val/{number}/{number}2.jpg")
    return folder


def ck_sequences(folder: Path) -> Path:
    """cohn-kanade-images/ and Emotion/: two labelled sequences and one without a label."""
    for subject, sequence, length in (("S005", "001", 3), ("S010", "002", 4), ("S010", "003", 2)):
        place = f"cohn-kanade-images/{subject}/{sequence}"
        put(folder, *(f"{place}/{subject}_{sequence}_{n:08d}.png" for n in range(1, length + 1)))
    write(folder, "Emotion/S005/001/S005_001_00000003_emotion.txt", "   3.0000000e+00\n")
    write(folder, "Emotion/S010/002/S010_002_00000004_emotion.txt", "   7.0000000e+00\n")
    return folder


def ck_folders(folder: Path) -> Path:
    """CK+48/anger/S010_004_00000017.png."""
    for number, name in enumerate(("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise")):
        put(folder, f"CK+48/{name}/S{10 + number:03d}_004_00000017.png")
    return folder


def ck_csv(folder: Path) -> Path:
    """ckextended.csv."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 48 * 48))
    usages = ["Training"] * 6 + ["PublicTest", "PrivateTest"]
    rows = zip(range(8), pixels, usages, strict=True)
    lines = [f"{emotion},{' '.join(map(str, values))},{usage}" for emotion, values, usage in rows]
    write(folder, "ckextended.csv", "\n".join(["emotion,pixels,Usage", *lines]) + "\n")
    return folder


def raf_listed(folder: Path) -> Path:
    """EmoLabel/list_patition_label.txt and Image/aligned/."""
    labels = [("train_00001.jpg", 5), ("train_00002.jpg", 1), ("test_0001.jpg", 7), ("train_00003.jpg", 4)]
    put(folder, *(f"Image/aligned/{name[:-4]}_aligned.jpg" for name, _ in labels[:3]))
    write(
        folder, "EmoLabel/list_patition_label.txt", "".join(f"{name} {number}\n" for name, number in labels)
    )
    return folder


def raf_folders(folder: Path) -> Path:
    """DATASET/train/1 … 7, DATASET/test/1 … 7 and a csv for each."""
    for number in range(1, 8):
        put(folder, f"DATASET/train/{number}/train_{number:05d}_aligned.jpg")
        put(folder, f"DATASET/test/{number}/test_{number:04d}_aligned.jpg")
    for split, digits in (("train", 5), ("test", 4)):
        lines = [f"{split}_{n:0{digits}d}_aligned.jpg,{n}" for n in range(1, 8)]
        write(folder, f"{split}_labels.csv", "\n".join(["image,label", *lines]) + "\n")
    return folder


def emotic(folder: Path) -> Path:
    """train.csv and test.csv as mat2py.py of github.com/Tandon-A/emotic writes them."""
    names = "Index Folder Filename,Image Size,BBox,Categorical_Labels,Continuous_Labels,Gender,Age".replace(
        " F", ",F"
    )
    put(folder, "emotic/mscoco/images/a.jpg", "emotic/ade20k/images/b.jpg", "emotic/framesdb/images/c.jpg")
    rows = {
        "train": [
            ("mscoco/images", "a.jpg", ["Happiness", "Engagement"], [10.0, 5.5, 9.0]),
            ("mscoco/images", "a.jpg", ["Disconnection"], [5.0, 1.0, 7.0]),
            ("ade20k/images", "b.jpg", ["Fear", "Surprise"], [2.0, 8.0, 3.0]),
        ],
        "test": [("framesdb/images", "c.jpg", ["Aversion"], [1.0, 7.75, 5.0])],
    }  # fmt: skip
    for split, some in rows.items():
        buffer = io.StringIO()
        table = csv.writer(buffer)
        table.writerow(names.split(","))
        for index, (place, name, categories, feelings) in enumerate(some):
            table.writerow(
                [index, place, name, [640, 480], [1, 2, 30, 40], categories, feelings, "Male", "Adult"]
            )
        write(folder, f"emotic_pre/{split}.csv", buffer.getvalue())
    return folder


def table(folder: Path) -> Path:
    """A csv with a mark of its encoding, quotes, and paths of another machine."""
    put(folder, "faces/a one.png", "faces/b.png", "more/b.png", "faces/unlisted.png")
    lines = [
        "Image Path;Emotion;Split;Person;Valence;Arousal",
        '"C:\\data\\faces\\a one.png";"Happiness";train;Ann;0,5;0.25',
        "/home/me/set/faces/b.png;sad;val;Bob;-0.5;7",
        "/home/me/set/more/B.PNG;;test;;;",
        "/home/me/set/faces/gone.png;sad;test;Bob;0;0",
    ]
    write(folder, "labels.csv", "\ufeff" + "\r\n".join(lines) + "\r\n")
    return folder


def parquet(folder: Path) -> Path:
    """What FER Studio exports."""
    columns = {
        "image": [picture(1), picture(2), picture(3)],
        "file": ["a.png", "b.png", "c.png"],
        "label": ["happy", None, "not a face"],
        "split": ["train", "validation", "none"],
        "subject": ["Ann", None, None],
        "valence": [0.5, None, None],
        "arousal": [-0.5, None, None],
        "votes": ['{"happy": 8, "sad": 2}', None, None],
    }
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "faces.parquet")
    return folder


def hugging_face(folder: Path) -> Path:
    """data/train-00000-of-00001.parquet with images as structs, and class names in the metadata."""
    features = {"image": {"_type": "Image"}, "label": {"names": ["sad", "happy"], "_type": "ClassLabel"}}
    for split, first in (("train", 10), ("test", 20)):
        held = [{"bytes": picture(first + n), "path": f"{split}_{n}.png"} for n in (0, 1)]
        content = pa.table({"image": held, "label": [0, 1]})
        content = content.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
        (folder / "data").mkdir(parents=True, exist_ok=True)
        pq.write_table(content, folder / "data" / f"{split}-00000-of-00001.parquet")
    return folder


def label_studio(folder: Path) -> Path:
    """An export: an upload with a hash, local storage, several people, a tie, no answer yet, a lost file."""
    put(folder, *(f"images/{name}.png" for name in "abcde"))

    def chosen(choice: str, who: int, **more: object) -> dict:
        result = {"id": "x", "type": "choices", "from_name": "emotion", "to_name": "image"}
        return {"id": who, "completed_by": who, "was_cancelled": False, **more,
                "result": [{**result, "value": {"choices": [choice]}}]}  # fmt: skip

    tasks = [
        {"data": {"image": "/data/upload/3/0a1b2c3d-a.png"}, "file_upload": "0a1b2c3d-a.png",
         "annotations": [chosen("Happy", 1)], "predictions": [chosen("Sad", 0)]},
        {"data": {"image": "/data/local-files/?d=set/images/b.png", "split": "test", "subject": "Bob",
                  "valence": -0.5},
         "annotations": [chosen("Sad", 1), chosen("Happy", 2), chosen("Sad", 3),
                         chosen("Sad", 4, was_cancelled=True)]},
        {"data": {"image": "images/c.png"}, "annotations": [chosen("Sad", 1), chosen("Happy", 2)]},
        {"data": {"image": "https://example.com/images/d.png?v=1"}, "annotations": [], "predictions": []},
        {"data": {"image": "images/e.png"},
         "annotations": [chosen("Sad", 1), chosen("Happy", 2, ground_truth=True)]},
        {"data": {"image": "images/gone.png"}, "annotations": [chosen("Sad", 1)]},
    ]  # fmt: skip
    for number, task in enumerate(tasks, 1):
        task["id"] = number
    write(folder, "project-1.json", json.dumps(tasks))
    return folder
