"""A stranger's model file, looked at without loading it: `python -m fer_core.zoo.modelfile FILE`.

A model file is a program: Keras builds whatever its configuration names. So the configuration is walked
first and may name only layers that are listed here. HDF5 is parsed by native code, so this too runs in a
process of its own (fer_core.zoo.incoming starts it).
"""

import json
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import h5py

from fer_core.errors import BadInput
from fer_core.zoo import process
from fer_core.zoo.process import Progress

LARGEST = 1 << 30
"""Bytes of a model file, and of what it unfolds to."""

_LARGEST_CONFIG = 20 << 20
_MOST_OBJECTS = 100_000
_DEEPEST = 60

_LAYERS = frozenset(
    """
    Functional Sequential Model InputLayer Identity Dense Flatten Reshape Permute
    Conv2D SeparableConv2D DepthwiseConv2D Conv2DTranspose ZeroPadding2D Cropping2D UpSampling2D Resizing
    MaxPooling2D AveragePooling2D GlobalMaxPooling2D GlobalAveragePooling2D
    BatchNormalization LayerNormalization GroupNormalization Normalization Rescaling CustomScaleLayer
    Activation ReLU LeakyReLU PReLU ELU Softmax
    Dropout SpatialDropout2D AlphaDropout GaussianDropout GaussianNoise ActivityRegularization
    Add Subtract Multiply Average Maximum Minimum Concatenate
    RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast RandomBrightness RandomCrop
    """.split()
)
_PARTS = frozenset(
    """
    Zeros Ones Constant Identity RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal
    GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
    L1 L2 L1L2 OrthogonalRegularizer MaxNorm NonNeg UnitNorm MinMaxNorm
    DTypePolicy Policy __keras_tensor__
    """.split()
)
_MODULES = re.compile(
    r"keras(\.(layers|models|initializers|regularizers|constraints|mixed_precision|dtype_policies"
    r"|(src\.)?(engine|models)\.(functional|sequential|training|input_layer)"
    r"|src\.applications\.inception_resnet_v2))?"
)
_ZIPPED = frozenset(("metadata.json", "config.json", "model.weights.h5"))
_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"

_DROPPED = {
    "DepthwiseConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    "SeparableConv2D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint"),
    **{
        f"Random{what}": ("rng_type",)
        for what in "Flip Rotation Translation Zoom Contrast Brightness".split()
    },
}
"""What Keras 2 wrote into configurations and Keras 3 does not know; none of it changes an answer."""


@dataclass(frozen=True)
class Checked:
    """A file that may be loaded.

    Attributes:
        kind: "h5" or "keras".
        config: its network as Keras 3 would write it, where it is "h5".
    """

    kind: str
    config: dict


def check(path: Path) -> Checked:
    """Make sure that a file is a whole Keras model of Keras' own layers, small enough to be unfolded.

    Raises:
        BadInput: it is not; the message says what it is instead.
    """
    size = path.stat().st_size
    if size > LARGEST:
        raise BadInput(f"A model file has at most {LARGEST >> 20:,} MB. Received: {size >> 20:,} MB.")
    with path.open("rb") as file:
        head = file.read(8)
    if head == _HDF5:
        return _check_h5(path)
    if head[:4] == _ZIP:
        return _check_keras(path)
    what = "an empty file" if not size else f"a file that begins with {head[:8]!r}"
    raise BadInput(
        f"A model is a file of Keras, .keras or .h5. Received: {what}. "
        "Save it in Keras with model.save('model.h5')."
    )


def translated(config: dict) -> dict:
    """A network's configuration in Keras 3's words; one that is so already comes back as it is."""
    return _translate(json.loads(json.dumps(config)), outermost=True)


def _check_h5(path: Path) -> Checked:
    with _opened(path) as file:
        text = file.attrs.get("model_config")
        version = file.attrs.get("keras_version", "")
        if text is None and ("layer_names" in file.attrs or "layers" in file or "_layer" in " ".join(file)):
            raise BadInput(
                "A model file holds the network and its weights. Received: weights without the network. "
                "Save the whole model: model.save('model.h5'), not model.save_weights."
            )
        if text is None:
            raise BadInput(
                "A model file holds a network. Received: HDF5 without one; it was not made by Keras."
            )
        version = version.decode() if isinstance(version, bytes) else str(version)
        if version.startswith(("0.", "1.")):
            raise BadInput(
                f"Files of Keras 2 and 3 can be read. Received: one of Keras {version}. "
                "Load it in Keras 2 and save it again."
            )
        config = _parsed(text)
        _walk(config)
        _plain(file)
    return Checked("h5", translated(config))


def _check_keras(path: Path) -> Checked:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [item.filename for item in archive.infolist()]
            if set(names) != _ZIPPED or len(names) != len(_ZIPPED):
                shown = ", ".join(sorted(names)[:5])
                raise BadInput(
                    f"A .keras file holds {', '.join(sorted(_ZIPPED))} and nothing else. Received: {shown}. "
                    "Save it in Keras with model.save('model.keras')."
                )
            unfolded = sum(item.file_size for item in archive.infolist())
            if unfolded > LARGEST:
                raise BadInput(
                    f"A model unfolds to at most {LARGEST >> 20:,} MB. Received: {unfolded >> 20:,} MB."
                )
            version = _parsed(_read(archive, "metadata.json")).get("keras_version", "")
            if not str(version).startswith("3."):
                raise BadInput(
                    f"A .keras file comes from Keras 3. Received: one of Keras {str(version)[:20]}. "
                    "Save it as .h5 there: that can be read."
                )
            config = _parsed(_read(archive, "config.json"))
            # Never built: models are loaded without their optimizer and loss.
            config.pop("compile_config", None)
            _walk(config)
            with archive.open("model.weights.h5") as weights, _opened(weights) as file:
                _plain(file)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError) as error:
        raise BadInput(f"A .keras file is a whole zip. Received: one that is damaged ({error}).") from error
    return Checked("keras", config)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as file:
        return file.read(_LARGEST_CONFIG + 1)


def _opened(source: Path | IO[bytes]) -> h5py.File:
    try:
        return h5py.File(source, "r")
    except (OSError, RuntimeError, ValueError) as error:
        cut = "one that breaks off" if "truncated" in str(error) else "one that is damaged"
        raise BadInput(f"The HDF5 in a model file must be whole. Received: {cut}. Copy it again.") from error


def _parsed(text: str | bytes) -> dict:
    if len(text) > _LARGEST_CONFIG:
        raise BadInput(
            f"A network's description has at most {_LARGEST_CONFIG >> 20} MB. Received: a longer one."
        )
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"A network's description is JSON. Received: {process.in_short(error)}.") from error
    if not isinstance(config, dict):
        raise BadInput("A network's description is a JSON object. Received: something else.")
    return config


def _walk(config: dict) -> None:
    """Refuse every object of a configuration that is not listed here."""
    found = 0
    for item, depth in _objects(config):
        found += 1
        if found > _MOST_OBJECTS or depth > _DEEPEST:
            raise BadInput(
                "A network's description is of a usual size. Received: one nested or long past it."
            )
        if "class_name" not in item:
            continue
        name, module, registered = (item.get(key) for key in ("class_name", "module", "registered_name"))
        known = isinstance(name, str) and name in _LAYERS | _PARTS
        foreign = module is not None and not (isinstance(module, str) and _MODULES.fullmatch(module))
        if not known or foreign or registered not in (None, "", name):
            settings = item.get("config")
            called = settings.get("name") if isinstance(settings, dict) else None
            what = f"{module}.{name}" if foreign else str(name)
            raise BadInput(
                "A model may be made of Keras' own layers for pictures only; anything else may be a program. "
                f"Received: {what[:80]}{f' (layer {str(called)[:60]!r})' if called else ''}. "
                "Rebuild the network without it, copy the weights over, and save it again."
            )


def _objects(config: dict) -> Iterator[tuple[dict, int]]:
    """Every object of some JSON with its depth."""
    left: list[tuple[object, int]] = [(config, 0)]
    while left:
        value, depth = left.pop()
        if isinstance(value, dict):
            yield value, depth
            left.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            left.extend((inner, depth + 1) for inner in value)


def _plain(file: h5py.File) -> None:
    """Refuse HDF5 that reads other files, or unfolds to more than a model file may hold."""
    left, seen, unfolded = [file["/"]], 0, 0
    while left:
        group = left.pop()
        for name in group:
            seen += 1
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink) or seen > _MOST_OBJECTS:
                raise BadInput(
                    "A model file holds its weights itself. Received: HDF5 that leads elsewhere "
                    f"({str(name)[:60]!r}). Save the model again."
                )
            try:
                inner = group[name]
            except (OSError, RuntimeError, KeyError) as error:
                raise BadInput(
                    "The HDF5 in a model file must be whole. Received: one that is damaged. Copy it again."
                ) from error
            if isinstance(inner, h5py.Group):
                left.append(inner)
                continue
            if inner.external or inner.is_virtual or inner.dtype.kind not in "fiubSV":
                raise BadInput(
                    "A model file holds its weights itself, as numbers. "
                    f"Received: {str(name)[:60]!r}, which does not. Save the model again."
                )
            unfolded += inner.nbytes
            if unfolded > LARGEST:
                raise BadInput(f"A model unfolds to at most {LARGEST >> 20:,} MB. Received: more than that.")


def _translate(item: dict, outermost: bool = False) -> dict:
    """One layer's or network's configuration and all inside of it, in place."""
    settings = item.get("config")
    if not isinstance(settings, dict):
        return item
    name = item.get("class_name")
    for dropped in _DROPPED.get(str(name), ()):
        settings.pop(dropped, None)
    axis = settings.get("axis")
    if name == "BatchNormalization" and isinstance(axis, list) and len(axis) == 1:
        settings["axis"] = axis[0]
    for inner in settings.get("layers", ()):
        _translate(inner)
    if name == "Model" and "layers" in settings:
        item["class_name"] = name = "Functional"
    if name == "Functional" and not outermost:
        # Keras 2 lists even a single output; Keras 3 would hand the list on to the next layer.
        for side in ("input_layers", "output_layers"):
            listed = settings.get(side)
            if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], list):
                settings[side] = listed[0]
    if name in ("Functional", "Sequential") and item.get("module"):
        item["module"] = f"keras.src.models.{name.lower()}"
    return item


def _work(arguments: list[str], progress: Progress) -> dict:
    return {"kind": check(Path(arguments[0])).kind}


if __name__ == "__main__":
    sys.exit(process.serve(_work))
