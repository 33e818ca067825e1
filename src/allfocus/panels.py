"""A picture and its maps side by side: as thumbnails, and as a figure of matplotlib, for notebooks."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.core.shrink import shrunk
from allfocus.run.install import extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Longest side of a thumbnail, and of what a figure shows, in pixels; width of a panel of a figure, in inches.
THUMBNAIL, LONGEST, INCHES = 320, 1200, 4.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """A picture or a map.

    Attributes:
        name: what is written below it.
        plane: (H, W) or (H, W, 3); of a picture 0 to 1, of a map numbers, NaN where it has none.
        top: the largest number that it may hold.
    """

    name: str
    plane: Array
    top: float = 1.0


def make_thumbnails(panels: Sequence[Panel]) -> str:
    """Small gray and colour pictures, as HTML that carries them."""
    return "".join(
        f'<figure style="display:inline-block;margin:4px"><img alt="{panel.name}" src="{make_url(panel)}">'
        f"<figcaption>{panel.name}</figcaption></figure>"
        for panel in panels
    )


def make_url(panel: Panel) -> str:
    """A small PNG, as a link that carries it."""
    small = shrunk(np.asarray(np.nan_to_num(panel.plane) / np.float32(panel.top), np.float32), THUMBNAIL)
    shades = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
    done, data = cv2.imencode(".png", shades if shades.ndim == 2 else shades[..., ::-1])
    return f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}" if done else ""


def draw_panels(panels: Sequence[Panel]) -> "Figure":
    """A figure of matplotlib that notebooks show: the picture, which comes first, and maps in colours with their scale.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with extra("notebooks", "drawing a result"):
        from matplotlib.figure import Figure

    class Drawing(Figure):
        """A figure that a notebook shows by itself: without pyplot, which would open windows elsewhere."""

        def _repr_png_(self) -> bytes:
            content = BytesIO()
            self.savefig(content, format="png")
            return content.getvalue()

    height, width = panels[0].plane.shape[:2]
    size = INCHES * len(panels), INCHES * min(max(height / width, 0.3), 3.0) + 0.4
    figure = Drawing(figsize=size, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        small = shrunk(np.asarray(panel.plane, np.float32), LONGEST)
        is_map = panel is not panels[0]
        shown = axis.imshow(
            small if is_map else np.clip(small, 0, 1), cmap="viridis" if is_map else "gray", vmin=0, vmax=panel.top
        )
        axis.set_title(panel.name)
        axis.set_axis_off()
        if is_map:
            figure.colorbar(shown, ax=axis, shrink=0.8)
    return figure
