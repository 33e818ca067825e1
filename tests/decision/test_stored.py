"""Decision files of anybody: nothing in them is believed beyond what they hold."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.decision.stored import load_decision, save_decision
from allfocus.errors import ReadError, StackError
from allfocus.pipeline import align, compose, decide
from allfocus.registered import Registered
from pictures import focused_pair, picture


@pytest.fixture(scope="module")
def registered() -> Registered:
    """Two frames of 32x48."""
    return align(list(focused_pair(picture(32, 48))), align="none")


@pytest.fixture(scope="module")
def parts(registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is in the archive of a decision about them."""
    path = tmp_path_factory.mktemp("decision") / "good"
    save_decision(path, decide(registered, method="laplacian"))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def header(parts: dict[str, bytes], change: Callable[[Any], object]) -> dict[str, bytes]:
    document = json.loads(parts["decision.json"])
    change(document)
    return parts | {"decision.json": json.dumps(document).encode()}


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(height=10**9),
        lambda document: document.update(noise=float("inf")),
        lambda document: document.update(frames=0),
        lambda document: document.update(frames=10**9),
        lambda document: document["tiles"][0].update(window=[0, 10**6, 0, 10**6]),
        lambda document: document["tiles"][0].update(around=[0, 33, 0, 48]),
        lambda document: document.update(tiles=[]),
        lambda document: document.update(composition=["band"]),
    ],
)
def test_headers_that_make_no_sense_are_refused(
    tmp_path: Path, registered: Registered, parts: dict[str, bytes], change: Callable[[Any], object]
) -> None:
    path = write(tmp_path / "x.decision", header(parts, change))
    with pytest.raises((ReadError, StackError), match=r"damaged|is for|frames"):
        compose(registered, load_decision(path))


def array_header(shape: tuple[int, ...]) -> bytes:
    """An array of NumPy's that says more of itself than it holds."""
    buffer = BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [array_header((10**6, 10**6)), array_header((1 << 62,)), bytes(50_000_000), b"", b"\x93NUMPY\x09\x00"]
)
def test_arrays_that_are_no_arrays_are_refused(
    tmp_path: Path, registered: Registered, parts: dict[str, bytes], content: bytes
) -> None:
    path = write(tmp_path / "x.decision", parts | {"0/confidence.npy": content})
    with pytest.raises(ReadError, match="tile 1 can't be read"):
        compose(registered, load_decision(path))
