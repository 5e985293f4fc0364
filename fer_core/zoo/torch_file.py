"""Reading the tensors of a PyTorch file without PyTorch, and without running what a pickle may ask for.

Source: torch.serialization, the form that was written before PyTorch 1.6: five pickles (a magic number, the
protocol's version, the machine, the tensors, the names of their storages), then each storage's bytes.
"""

import io
import math
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_core.errors import BadModel

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


def read(path: Path) -> dict[str, np.ndarray]:
    """Every tensor by its name.

    Raises:
        BadModel: not such a file, a damaged one, or one that holds more than tensors.
    """
    try:
        return _read(io.BytesIO(path.read_bytes()))
    except Exception as error:  # noqa: BLE001 - a damaged pickle may raise anything
        raise BadModel(
            "Weights are read from a PyTorch file (before 1.6) of nothing but tensors. "
            f"Received: {path.name} ({error}). Install the package again that it came with."
        ) from error


@dataclass
class _Storage:
    """Numbers that tensors are views of; their bytes come after the pickles."""

    dtype: np.dtype
    count: int
    data: bytes = b""


@dataclass
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        if math.prod(self.shape) > self.storage.count:
            raise ValueError(f"a tensor of {self.shape} in {self.storage.count} numbers")
        size = self.storage.dtype.itemsize
        strides = tuple(size * step for step in self.stride)
        # numpy refuses a view that reaches beyond the bytes.
        view = np.ndarray(self.shape, self.storage.dtype, self.storage.data, self.offset * size, strides)
        return view.copy()


class _Unpickler(pickle.Unpickler):
    """Makes tensors, ordered dictionaries and plain values; nothing else can be named."""

    def __init__(self, file: io.BytesIO, storages: dict[str, _Storage]):
        super().__init__(file)
        self.storages = storages
        self.known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
            ("torch._utils", "_rebuild_tensor_v2"): lambda *given: _Tensor(*given[:4]),
        }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.known[module, name]

    def persistent_load(self, pid: tuple) -> _Storage:
        _, dtype, key, _device, count, _view = pid
        return self.storages.setdefault(key, _Storage(dtype, count))


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    storages: dict[str, _Storage] = {}
    start = [_Unpickler(file, storages).load() for _ in range(3)]
    if start[:2] != [MAGIC, VERSION]:
        raise ValueError("another beginning")
    tensors = _Unpickler(file, storages).load()
    for key in _Unpickler(file, storages).load():
        storage = storages[key]
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise ValueError("a storage of another size")
        storage.data = file.read(storage.count * storage.dtype.itemsize)
    return {name: tensor.array() for name, tensor in tensors.items()}
