"""What is written beside an exported model: a ten-line example that runs as it stands, and a README."""

import json
import textwrap
from importlib.metadata import PackageNotFoundError, version

from fer_core.imaging.detectors import hog
from fer_core.imaging.faces import Box
from fer_core.imaging.landmarks import CROP_SIDE
from fer_core.zoo.card import Card
from fer_core.zoo.specs import TASKS

_PACKAGES = {"keras": "keras", "h5": "keras", "litert": "ai-edge-litert", "onnx": "onnxruntime"}
_IMPORTS = {
    "keras": "keras",
    "h5": "keras",
    "litert": "ai_edge_litert.interpreter as litert",
    "onnx": "onnxruntime",
}


def example(card: Card, form: str, file: str, inputs: list[str]) -> str:
    """Python that reads the face of a photo with an exported model: `python example.py photo.jpg`.

    It finds the face with OpenCV's Haar cascade, whose boxes are this project's convention.

    Args:
        form: a key of export.FORMS.
        file: the model's file name.
        inputs: names of the file's inputs, pictures first.
    """
    width, height, grey = card.input.width, card.input.height, card.input.channels == 1
    views = "(face, face[:, :, ::-1])" if card.flip_average and not card.input.landmarks else "(face,)"
    lines = [
        f"import sys, cv2, {_IMPORTS[form]}, numpy as np",
        _network(form, file),
        "photo = cv2.imread(sys.argv[1])",
        'haar = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")',
        "found = haar.detectMultiScale(photo, 1.1, 5)",
        "x, y, w, h = max(found, key=lambda box: box[2]) if len(found) else (0, 0, *photo.shape[1::-1])",
        *_margin(card),
        f"face = cv2.cvtColor(photo[y : y + h, x : x + w], cv2.COLOR_BGR2{'GRAY' if grey else 'RGB'})",
        f"face = cv2.resize(face, ({width}, {height}), None, 0, 0, 3 if h > {height} else 1)"
        f'.reshape(1, {height}, {width}, {card.input.channels}).astype("float32")',
        *(_points() if card.input.landmarks else ()),
        f"answer = np.mean([{_call(card, form, inputs)} for view in {views}], axis=0){_power(card)}",
        _said(card),
    ]
    return "\n".join(lines) + "\n"


def readme(card: Card, form: str, file: str, code: str, verified: dict) -> str:
    """What the archive holds, how to use it, how it was checked, what it cannot do."""
    size = f"{card.input.width} × {card.input.height} px, {'grey' if card.input.channels == 1 else 'RGB'}"
    needs = " ".join(f"{name}=={_version(name)}" for name in ("opencv-python-headless", _PACKAGES[form]))
    runtime = ", ".join(f"{name} {number}" for name, number in verified["runtime"].items())
    asides = [
        "The application turns the photo so that the eyes lie level; this example does not."
    ] * card.input.align + [
        "The application averages over the mirror image as well; this example does not."
    ] * bool(card.input.landmarks and card.flip_average)
    return "\n".join(
        [
            f"# {card.title}",
            "",
            f"`{file}` reads a face of {size}, values 0 to 255; rescaling is inside the network.",
            *([f"Its answers, in order: {', '.join(card.labels.names)}."] * (card.task == "expression")),
            "",
            "## Use",
            "",
            f"    pip install {needs}{' tensorflow' if _PACKAGES[form] == 'keras' else ''}",
            "    python example.py photo.jpg",
            "",
            "which is, with the face found, cut out and resized as this application does it:",
            "",
            textwrap.indent(code, "    "),
            *asides,
            "",
            "## Checked",
            "",
            f"Before it was offered, this file was loaded in {runtime} and given the {verified['probes']} "
            f"stored inputs. Its answers differ from the model's by at most {verified['difference']:.1e}.",
            *([_IN_BYTES.format(verified["from_served"])] * (verified["from_served"] > 0)),
            "",
            "## What it cannot do",
            "",
            *(f"- {sentence}" for sentence in card.limitations),
            "",
            "`card.json` says what it learned from and how it was measured; LICENSE.txt who may use it.",
            "",
        ]
    )


_IN_BYTES = (
    "The application answers from the model's LiteRT file, whose kernels are bytes: on these inputs its "
    "probabilities are up to {:.3f} apart from this file's."
)


def licence(card: Card) -> str:
    """Whose the weights and the data are, as the card says it."""
    rows = [f"{part}: {text}" for part, text in card.licence.items()] or ["not recorded"]
    return "\n".join(
        [
            f"{card.title} ({card.id})",
            "",
            *rows,
            "",
            "example.py may be used by anyone for anything (CC0). OpenCV's Haar cascade, which it loads, is",
            "Apache-2.0.",
            *(
                ["dlib's predictor of the 68 landmarks was trained on iBUG 300-W: non-commercial use only."]
                * card.input.landmarks
            ),
            "",
        ]
    )


def _network(form: str, file: str) -> str:
    if form == "onnx":
        return f'network = onnxruntime.InferenceSession("{file}")'
    if form == "litert":
        return f'network = litert.Interpreter("{file}").get_signature_runner()'
    return f'network = keras.saving.load_model("{file}", compile=False)'


def _call(card: Card, form: str, inputs: list[str]) -> str:
    values = ["view", "points"][: len(inputs)]
    if form == "onnx":
        given = ", ".join(f'"{name}": {value}' for name, value in zip(inputs, values, strict=True))
        return f"network.run(None, {{{given}}})[0][0]"
    if form == "litert":
        given = ", ".join(f"{name}={value}" for name, value in zip(inputs, values, strict=True))
        return f'network({given})["{TASKS[card.task].output}"][0]'
    return f"network.predict_on_batch({'view' if len(inputs) == 1 else '[view, points]'})[0]"


def _margin(card: Card) -> list[str]:
    """Crops larger or smaller than the face box; what lies outside the photo repeats its edge."""
    scale = card.input.scale
    if scale == 1:
        return []
    return [
        f"m = round(w * {(scale - 1) / 2:g}) if len(found) else 0",
        "photo = cv2.copyMakeBorder(photo, *[max(m, 0)] * 4, cv2.BORDER_REPLICATE)",
        "x, y, w, h = x - m + max(m, 0), y - m + max(m, 0), w + 2 * m, h + 2 * m",
    ]


def _points() -> list[str]:
    """The 68 landmarks of the crop, as landmarks.of_crops finds them."""
    box = hog.CONVENTION.undo(Box(0, 0, CROP_SIDE, CROP_SIDE))
    left, top, side = round(box.x), round(box.y), max(1, round(box.width))
    corners = f"{left}, {top}, {left + side - 1}, {top + side - 1}"
    return [
        "import dlib, importlib.util as util  # pip install dlib-bin face_recognition_models",
        'folder = util.find_spec("face_recognition_models").submodule_search_locations[0]',
        'shape = dlib.shape_predictor(folder + "/models/shape_predictor_68_face_landmarks.dat")',
        f'large = cv2.resize(face[0].astype("uint8"), ({CROP_SIDE}, {CROP_SIDE}))',
        "large = cv2.cvtColor(large, cv2.COLOR_GRAY2RGB) if large.ndim == 2 else large",
        f"parts = shape(large, dlib.rectangle({corners})).parts()",
        f'points = (np.array([[(p.x, p.y) for p in parts]], "float32") + 0.5) / {CROP_SIDE}',
    ]


def _power(card: Card) -> str:
    """The temperature, as a power of the probabilities; they sum to 1 again where they are said."""
    return f" ** {1 / card.temperature:.6g}  # temperature" if card.task == "expression" else ""


def _said(card: Card) -> str:
    if card.task == "affect":
        return 'print("valence %.4f\\narousal %.4f" % tuple(answer))'
    if card.task != "expression":
        return "print(*answer)"
    names = json.dumps(list(card.labels.names), ensure_ascii=False)
    return f'print(*(f"{{n}} {{p:.4f}}" for n, p in zip({names}, answer / answer.sum())), sep="\\n")'


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "0"
