"""The widget: options as a form, a layer's planes fused beside the viewer, and labels that can be painted on."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from threading import Event
from typing import Any, get_type_hints

import numpy as np
from magicgui.widgets import Container, Label, ProgressBar, PushButton, SpinBox, create_widget
from napari.layers import Image
from napari.utils.notifications import show_error, show_info
from napari.viewer import Viewer
from qtpy.QtCore import QTimer

from allfocus.core.color import Array
from allfocus.core.typed import alternatives, choices
from allfocus.core.windows import Window
from allfocus.errors import AllFocusError, Cancelled, OptionError
from allfocus.napari.fusing import Fused, Painting, fuse_planes, make_relief
from allfocus.napari.planes import find_planes
from allfocus.options import FusionOptions, build_options

#: What makes no sense for a layer: it is one stack, whose canvas and halos are kept, in its own size.
LEFT_OUT = ("stack", "keep_canvas", "halos", "draft", "order")
#: Milliseconds between two looks at what goes on in the other thread.
TICK = 50


def make_form() -> dict[str, Any]:
    """A field of a form for each option, by its name; made from their declarations."""
    hints = get_type_hints(FusionOptions)
    return {
        item.name: make_field(item, hints[item.name]) for item in fields(FusionOptions) if item.name not in LEFT_OUT
    }


def make_field(item: Any, hint: Any) -> Any:
    """The field of one option: texts for what may be of several types, where empty means the default."""
    label, options = item.name.replace("_", " "), {"tooltip": item.metadata["help"]}
    if item.type is bool or hint is bool:
        return create_widget(value=item.default, annotation=bool, label=label, name=item.name, options=options)
    if choices(hint):
        empty = [("", None)] if type(None) in alternatives(hint) else []
        options["choices"] = [*empty, *((word, word) for word in choices(hint))]
        return create_widget(value=item.default, widget_type="ComboBox", label=label, name=item.name, options=options)
    text = "" if item.default is None else str(item.default)
    return create_widget(value=text, annotation=str, label=label, name=item.name, options=options)


def read_form(form: Mapping[str, Any]) -> FusionOptions:
    """The options that a form holds; raises `OptionError`."""
    values = {
        name: field.value.strip() if isinstance(field.value, str) else field.value for name, field in form.items()
    }
    filled = {name: value for name, value in values.items() if value not in ("", None)}
    hints = get_type_hints(FusionOptions)
    for name, value in filled.items():
        kinds = alternatives(hints[name])
        if isinstance(value, str) and int in kinds and str not in kinds and value.isdecimal():
            filled[name] = int(value)
    return build_options(filled)


class FuseWidget:
    """The widget beside the viewer: it fuses the selected image layer along its Z axis, in another thread.

    Attributes:
        form: a field for each option, by its name.
        native: what Qt shows.
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        self.viewer, self.form = napari_viewer, make_form()
        self.form["depth"].value = True
        self.channel = SpinBox(value=1, min=1, max=999, label="channel for focus")
        self.start, self.stop = PushButton(text="Fuse"), PushButton(text="Cancel", enabled=False)
        self.bar, self.said = ProgressBar(value=0, min=0, max=1), Label(value="")
        rows = [self.channel, *self.form.values(), self.start, self.stop, self.bar, self.said]
        self.container = Container(widgets=rows, scrollable=True)
        self.native = self.container.native
        self.native.allfocus_widget = self  # lives as long as what is shown
        self.start.clicked.connect(self.fuse)
        self.stop.clicked.connect(self.cancel)
        self.form["method"].changed.connect(self._offer_depth)
        self._pool = ThreadPoolExecutor(1)
        self._future: Future[Any] | None = None
        self._done: Callable[[Any], None] | None = None
        self._cancel, self._stage = Event(), ("", 0, 1)
        self.paintings: list[PaintedLayers] = []
        self._timer = QTimer(self.native)
        self._timer.timeout.connect(self.look)
        self._timer.start(TICK)
        self.native.destroyed.connect(self._cancel.set)

    @property
    def is_busy(self) -> bool:
        """Whether something is being fused or composed anew, or is about to be."""
        return self._future is not None or any(one.is_touched for one in self.paintings)

    def fuse(self) -> None:
        """Fuse the selected layer; what is wrong is shown by the viewer, as all errors are."""
        layer = self.viewer.layers.selection.active
        try:
            if not isinstance(layer, Image):
                raise OptionError("no image layer is selected; select the one with the planes to fuse")
            missing = self.viewer.dims.ndim - layer.ndim
            planes = find_planes(layer, self.viewer.dims.current_step[missing:])
            options, channel = read_form(self.form), self.channel.value - 1
        except AllFocusError as error:
            show_error(str(error))
            return
        self._cancel.clear()
        self._run(
            lambda: fuse_planes(planes, options, channel=channel, progress=self._report, cancel=self._cancel),
            self._show,
        )
        self.start.enabled, self.stop.enabled = False, True

    def cancel(self) -> None:
        """Call the fusion off; it ends within a frame or a tile."""
        self._cancel.set()

    def look(self) -> None:
        """See how far the other thread is: show progress and results, and have it compose what was painted."""
        if self._future is None:
            self.paintings = [one for one in self.paintings if one.labels in self.viewer.layers]
            touched = next((one for one in self.paintings if one.is_touched), None)
            if touched is not None:
                self._run(touched.compose(), touched.put)
            return
        stage, done, total = self._stage
        self.said.value, self.bar.max, self.bar.value = stage, max(total, 1), min(done, max(total, 1))
        if self._future.done():
            self._end(self._future)

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        self._future, self._done = self._pool.submit(work), done

    def _end(self, future: "Future[Any]") -> None:
        done, self._future = self._done, None
        self.start.enabled, self.stop.enabled = True, False
        self.bar.value, self.said.value = 0, ""
        try:
            assert done is not None
            done(future.result())
        except Cancelled:
            show_info("cancelled")
        except AllFocusError as error:
            show_error(str(error))

    def _report(self, stage: str, done: int, total: int) -> None:
        self._stage = stage, done, total

    def _offer_depth(self, method: str) -> None:
        """Only the network knows depth."""
        self.form["depth"].enabled = self.form["depth"].value = method == "network"

    def _show(self, fused: Fused) -> None:
        self.paintings.append(PaintedLayers(self.viewer, fused))
        if fused.result.notes:
            show_info("\n".join(str(note) for note in fused.result.notes))


class PaintedLayers:
    """The layers of one fusion: a picture for each channel, the labels that are painted on, and a surface.

    Attributes:
        images: in the order of the channels.
        labels: the frame of each pixel, counted from 1.
        is_touched: whether the labels may have changed since the pictures were composed.
    """

    def __init__(self, viewer: Viewer, fused: Fused) -> None:
        self._painting, planes = Painting(fused), fused.planes
        relief = make_relief(fused)
        if relief is not None:
            surface = viewer.add_surface(relief, name=f"{planes.name} surface", colormap="viridis", **planes.placed(3))
            surface.visible = False  # a thing of three dimensions; in two it hides the picture
        pictures = fused.in_order(fused.result)
        self.images = []
        for number, picture in enumerate(pictures, start=1):
            channel = f", channel {number}" if len(pictures) > 1 else ""
            about = {"blending": "additive"} if number > 1 else {}
            image = viewer.add_image(
                picture, name=f"{planes.name} fused{channel}", rgb=picture.ndim == 3, **about, **planes.placed(2)
            )
            self.images.append(image)
        self.labels = viewer.add_labels(fused.labels, name=f"{planes.name} frames", opacity=0.3, **planes.placed(2))
        self.is_touched = False
        for event in ("paint", "labels_update", "set_data", "data"):
            getattr(self.labels.events, event).connect(self._touch)

    def _touch(self, event: Any) -> None:
        self.is_touched = True

    def compose(self) -> Callable[[], list[tuple[Window, list[Array]]]]:
        """What composes anew in another thread, of the labels as they are now."""
        self.is_touched, labels = False, np.array(self.labels.data)
        return lambda: self._painting.change(labels)

    def put(self, made: list[tuple[Window, list[Array]]]) -> None:
        """Show what was composed anew."""
        for window, pictures in made:
            for image, picture in zip(self.images, pictures, strict=True):
                image.data[window] = picture
        for image in self.images if made else ():
            image.refresh()
