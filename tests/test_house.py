"""What holds the house together: imports, pins, configuration."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from streamlit import config

from fer_core import labels

ROOT = Path(__file__).resolve().parent.parent


def python(code: str) -> str:
    """What a fresh Python prints; fails with its errors."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_nothing_that_the_app_imports_brings_tensorflow_in():
    modules = [f"pages._shared.{path.stem}" for path in (ROOT / "pages/_shared").glob("*.py")]
    engine = (
        "fer_core.cli fer_core.__main__ fer_core.training.runs fer_core.zoo.specs fer_core.inference.photo"
    )
    code = f"""
import runpy, sys
sys.argv = ["fer_core", "--version"]
for name in {[m for m in modules if not m.endswith("__init__")] + engine.split()}:
    try:
        __import__(name)
    except SystemExit:
        pass
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    assert python(code).strip().splitlines()[-1] == "[]"


def test_app_py_imports_pylibsrtp_before_all_else():
    tree = ast.parse((ROOT / "app.py").read_text("utf-8"))
    first = next(node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
    assert isinstance(first, ast.Import)
    assert [alias.name for alias in first.names] == ["pylibsrtp"]


@pytest.mark.slow
def test_tensorflow_after_pylibsrtp_leaves_webrtc_alive():
    """The other way round the process dies: both bring an OpenSSL, and the first one wins."""
    python("import pylibsrtp, tensorflow, streamlit_webrtc; pylibsrtp.Policy()")


def test_pages_leave_resizing_to_the_engine():
    for path in (ROOT / "pages").rglob("*.py"):
        assert "cv2.resize" not in path.read_text("utf-8"), path


def test_pages_stay_short():
    long = {
        p.name: n
        for p in (ROOT / "pages").glob("*.py")
        if (n := len(p.read_text("utf-8").splitlines())) > 160
    }
    assert long == {}


def test_every_requirement_is_pinned():
    text = (ROOT / "requirements.txt").read_text("utf-8") + (ROOT / "requirements-dev.txt").read_text("utf-8")
    needed = [line for line in text.splitlines() if line and not line.startswith(("#", "-r"))]
    assert len(needed) > 15
    assert [line for line in needed if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9a-z.]*", line)] == []


def test_opencv_still_has_cascades():
    """5.0 resolves otherwise, and has none."""
    assert re.search(r"opencv-python-headless==4\.", (ROOT / "requirements.txt").read_text("utf-8"))


def test_packages_txt_holds_package_names_only():
    """The hosting service hands every word of it to apt-get, comments included."""
    assert re.fullmatch(r"([a-z0-9][a-z0-9+.-]+\n)+", (ROOT / "packages.txt").read_text("utf-8"))


def test_every_streamlit_option_exists():
    options = tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))
    known = set(config.get_config_options())

    def names(table, prefix):
        for key, value in table.items():
            if isinstance(value, dict):
                yield from names(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"

    assert [name for name in names(options, "") if name not in known] == []
    assert options["browser"]["gatherUsageStats"] is False


def test_charts_have_the_colours_of_the_expressions():
    options = tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))
    names = (*labels.FER7.names, "contempt")
    assert options["theme"]["chartCategoricalColors"] == [labels.colour(name) for name in names]
