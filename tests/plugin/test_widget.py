"""The plug-in in a viewer that nobody sees; skipped where napari is not installed."""

import gc
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.core.color import Array
from pictures import focal_frames

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
with warnings.catch_warnings():  # of packages that napari loads
    warnings.simplefilter("ignore")
    pytest.importorskip("napari", reason="needs the extra napari", exc_type=ImportError)

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # warnings of napari's own


@pytest.fixture(scope="module")
def application() -> Any:
    from qtpy.QtWidgets import QApplication

    return QApplication.instance() or QApplication([])


@pytest.fixture(scope="module", autouse=True)
def plugin() -> None:
    """Known to npe2, also where the package runs from a checkout that was installed before it had a manifest."""
    import npe2

    import allfocus.napari

    manager = npe2.PluginManager.instance()
    if "allfocus" not in [manifest.name for manifest in manager.iter_manifests()]:
        path = Path(allfocus.napari.__file__).with_name("napari.yaml")
        manager.register(npe2.PluginManifest.from_file(path))


@pytest.fixture
def viewer() -> Any:
    """What a viewer holds, without a canvas: that would need OpenGL."""
    from napari.components import ViewerModel

    return ViewerModel()


@pytest.fixture
def widget(application: Any, viewer: Any) -> Iterator[Any]:
    """The widget as the viewer makes and keeps it: by its manifest, only what Qt shows."""
    import npe2

    found = next(one for one in npe2.PluginManager.instance().iter_widgets() if one.plugin_name == "allfocus")
    native = found.get_callable()(napari_viewer=viewer).native
    gc.collect()
    native.allfocus_widget.form["align"].value = "none"
    yield native.allfocus_widget
    native.close()


def wait(widget: Any, seconds: float = 60.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    widget.look()
    while widget.is_busy and time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)
    assert not widget.is_busy


def stack(seed: int = 0) -> Array:
    return np.stack(focal_frames(96, 120, 3, gray=True, dtype="uint16", seed=seed))


def names(viewer: Any) -> list[str]:
    return [layer.name for layer in viewer.layers]


def test_the_manifest_is_valid() -> None:
    from npe2.cli import app
    from typer.testing import CliRunner

    import allfocus.napari

    manifest = Path(allfocus.napari.__file__).with_name("napari.yaml")
    done = CliRunner().invoke(app, ["validate", "--imports", str(manifest)])
    assert done.exit_code == 0, done.output
    assert "valid" in done.output


def test_a_stack_becomes_picture_labels_and_surface_at_its_place(viewer: Any, widget: Any) -> None:
    place = {"scale": (0.5, 0.1, 0.2), "units": ("µm",) * 3, "translate": (1, 2, 3)}
    viewer.add_image(stack(), name="cells", **place)
    widget.fuse()
    assert widget.is_busy
    assert widget.stop.enabled
    wait(widget)
    assert names(viewer) == ["cells", "cells surface", "cells fused", "cells frames"]
    _, surface, fused, labels = viewer.layers
    assert fused.data.dtype == np.uint16
    assert fused.data.shape == labels.data.shape == (96, 120)
    for one in (fused, labels):
        assert tuple(one.scale) == (0.1, 0.2)
        assert tuple(one.translate) == (2, 3)
        assert [str(unit) for unit in one.units] == ["micrometer"] * 2
    assert set(np.unique(labels.data)) <= {1, 2, 3}
    assert tuple(surface.scale) == (0.5, 0.1, 0.2)
    points = surface.data[0]
    assert points.min() >= 0
    assert (points.max(axis=0) <= (2, 95, 119)).all()
    left, right = points[points[:, 2] < 30, 0].mean(), points[points[:, 2] > 90, 0].mean()
    assert right - left > 1  # the picture recedes from left to right


def test_painting_recomposes_all_channels_and_undo_takes_it_back(viewer: Any, widget: Any) -> None:
    data = np.stack([stack(), stack(1)])
    viewer.add_image(data, name="cells")
    widget.form["method"].value = "laplacian"
    assert not widget.form["depth"].value
    widget.fuse()
    wait(widget)
    assert names(viewer) == ["cells", "cells fused, channel 1", "cells fused, channel 2", "cells frames"]
    *_, first, second, labels = viewer.layers
    before = first.data.copy(), second.data.copy()
    labels.brush_size = 21
    labels.paint((40, 20), 3)
    assert widget.is_busy
    wait(widget)
    for picture, channel, old in zip((first.data, second.data), data, before, strict=True):
        assert np.array_equal(picture[36:44, 16:24], channel[2][36:44, 16:24])
        assert not np.array_equal(picture, old)
    labels.undo()
    wait(widget)
    assert np.array_equal(first.data, before[0])
    assert np.array_equal(second.data, before[1])


def test_it_is_cancelled_and_works_again(viewer: Any, widget: Any) -> None:
    viewer.add_image(stack(), name="cells")
    widget.fuse()
    widget.cancel()
    wait(widget)
    assert names(viewer) == ["cells"]
    assert widget.start.enabled
    widget.form["method"].value = "laplacian"
    widget.fuse()
    wait(widget)
    assert "cells fused" in names(viewer)


def test_bad_input_is_said_and_nothing_changes(viewer: Any, widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from allfocus.napari import widget as module

    said: list[str] = []
    monkeypatch.setattr(module, "show_error", said.append)
    widget.fuse()
    viewer.add_image(stack()[0], name="flat")
    widget.fuse()
    viewer.add_image(stack(), name="cells")
    widget.form["max_tile"].value = "many"
    widget.fuse()
    widget.form["max_tile"].value = "64"
    widget.channel.value = 2
    widget.fuse()
    wait(widget)
    assert [text.split(":")[0] for text in said] == [
        "no image layer is selected; select the one with the planes to fuse",
        "layer 'flat' has 1 plane along Z; fusing needs at least 2",
        "max_tile",
        "channel 2",
    ]
    assert names(viewer) == ["flat", "cells"]


def test_files_and_the_demo_open_as_layers(viewer: Any, tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "plate.ome.tif"
    axes = {"PhysicalSizeX": 0.2, "PhysicalSizeY": 0.1, "PhysicalSizeZ": 0.5}
    data = np.stack([[stack(), stack(1)], [stack(2), stack(3)]])
    units = {f"{name}Unit": "µm" for name in axes}
    tifffile.imwrite(path, data, metadata={"axes": "TCZYX", **axes, **units}, ome=True)
    first, second = viewer.open(path, plugin="allfocus")
    assert first.data.shape == second.data.shape == (2, 3, 96, 120)
    assert np.array_equal(np.asarray(second.data), data[:, 1])
    assert tuple(first.scale) == (1, 0.5, 0.1, 0.2)
    assert [str(unit) for unit in first.units[1:]] == ["micrometer"] * 3
    [demo] = viewer.open_sample("allfocus", "demo")
    assert demo.rgb
    assert demo.ndim == 3


def test_other_files_are_left_to_others(tmp_path: Path) -> None:
    from allfocus.napari.reader import find_reader

    (tmp_path / "a.tif").write_bytes(b"no picture")
    assert find_reader(str(tmp_path / "a.tif")) is None
    assert find_reader([str(tmp_path / "a.tif"), str(tmp_path / "b.tif")]) is None
    assert find_reader(str(tmp_path / "missing.czi")) is None
