"""Layers fused and painted on, without napari."""

from threading import Event
from types import SimpleNamespace

import numpy as np
import pytest

from allfocus.core.color import Array
from allfocus.decision.painted import LabelledDecision
from allfocus.errors import Cancelled, ConfigError, OptionError, StackError
from allfocus.napari.fusing import Painting, fuse_planes, make_relief
from allfocus.napari.planes import find_planes
from allfocus.options import FusionOptions
from allfocus.pipeline import compose
from pictures import focal_frames

OPTIONS = FusionOptions(method="laplacian", align="none")


def layer(data: Array, labels: tuple[str, ...] = (), **more: object) -> SimpleNamespace:
    names = labels or tuple(f"axis {k - data.ndim}" for k in range(data.ndim))
    about = {"scale": [1.0] * data.ndim, "translate": [0.0] * data.ndim, "units": ["µm"] * data.ndim}
    return SimpleNamespace(
        data=data, ndim=data.ndim, name="cells", multiscale=False, axis_labels=names, **(about | more)
    )


def stack(seed: int = 0) -> Array:
    return np.stack(focal_frames(96, 120, 3, gray=True, dtype="uint16", seed=seed))


def test_axes_are_understood() -> None:
    four = np.stack([stack(), stack(1)])
    assert len(find_planes(layer(stack())).channels) == 1
    assert len(find_planes(layer(four)).channels) == 2
    shown = find_planes(layer(four, ("t", "z", "y", "x")), (1, 0, 0, 0))
    assert np.array_equal(shown.channels[0], four[1])
    five = find_planes(layer(four[:, None], ("c", "t", "z", "y", "x"), scale=[1, 1, 0.5, 0.1, 0.2]))
    assert len(five.channels) == 2
    assert five.placed(2)["scale"] == (0.1, 0.2)
    for flat in (stack()[0], stack()[:1]):
        with pytest.raises(StackError, match="1 plane along Z"):
            find_planes(layer(flat))


def test_channels_stay_in_their_order_and_one_decides() -> None:
    planes = find_planes(layer(np.stack([stack(), stack(1) // 2])))
    fused = fuse_planes(planes, OPTIONS, channel=1)
    first, second = fused.in_order(fused.result)
    assert second is fused.result.image
    assert first.dtype == np.uint16
    assert first.shape == second.shape == (96, 120)
    assert first.mean() > 1.5 * second.mean()
    with pytest.raises(OptionError, match="channel 3: expected 1 to 2"):
        fuse_planes(planes, OPTIONS, channel=2)


def test_painted_labels_are_composed_anew_as_the_whole_would_be_and_undone() -> None:
    fused = fuse_planes(find_planes(layer(stack())), OPTIONS)
    painting, labels = Painting(fused), fused.labels
    picture = fused.result.image.copy()
    labels[20:50, 10:40] = 3
    labels[70:80, 90:100] = 0  # erased: what was there first
    labels[5:8, 5:8] = 99  # no such frame
    made = painting.change(labels)
    for window, (part,) in made:
        picture[window] = part
    frames = np.full(labels.shape, -1)
    frames[20:50, 10:40] = np.where(fused.labels[20:50, 10:40] == 3, -1, 2)
    whole = compose(fused.registered, LabelledDecision(fused.decision, frames), options=fused.options).image
    assert np.array_equal(picture, whole)
    assert np.array_equal(picture[25:45, 15:35], stack()[2][25:45, 15:35])
    assert not painting.change(labels)
    for window, (part,) in painting.change(fused.labels):
        picture[window] = part
    assert np.array_equal(picture, fused.result.image)


def test_maps_for_other_frames_are_refused() -> None:
    decision = fuse_planes(find_planes(layer(stack())), OPTIONS).decision
    with pytest.raises(ConfigError, match="at most 2"):
        LabelledDecision(decision, np.full((96, 120), 3))
    with pytest.raises(ConfigError, match="expected a map of"):
        LabelledDecision(decision, np.zeros((5, 5), int))


def test_it_is_called_off() -> None:
    called = Event()
    called.set()
    with pytest.raises(Cancelled):
        fuse_planes(find_planes(layer(stack())), OPTIONS, cancel=called)


def test_without_a_depth_there_is_no_surface() -> None:
    assert make_relief(fuse_planes(find_planes(layer(stack())), OPTIONS)) is None
