"""For all tests: a workspace of their own and no network."""

# First of all, as in app.py: tests import TensorFlow and WebRTC into one process (see ARCHITECTURE.md).
import pylibsrtp  # noqa: F401, I001

import gc
import ipaddress
import os
import socket

import pytest

_connect = socket.socket.connect


@pytest.fixture(autouse=True, scope="session")
def _nobodys_workspace(tmp_path_factory):
    """Nothing that a test does reaches the developer's own workspace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_WORKSPACE", str(tmp_path_factory.mktemp("nobody") / "workspace"))
        yield os.environ["FER_WORKSPACE"]


@pytest.fixture(autouse=True)
def _workspace(_nobodys_workspace, tmp_path, monkeypatch):
    """A workspace for each test, except where its module shares one on purpose."""
    if os.environ.get("FER_WORKSPACE") == _nobodys_workspace:
        monkeypatch.setenv("FER_WORKSPACE", str(tmp_path / "workspace"))


@pytest.fixture(autouse=True, scope="module")
def _nothing_old_is_collected():
    """Streamlit collects garbage after every run of a page: ten times as slow past all earlier imports."""
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _no_network():
    """A test that reaches out fails, on every machine alike."""

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_loopback(address[0]):
            raise AssertionError(f"Tests use no network. Received: a connection to {address[0]!r}.")
        return _connect(self, address)

    socket.socket.connect = guarded
    yield
    socket.socket.connect = _connect


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
