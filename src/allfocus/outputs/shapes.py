"""What is made of the depth of a result beside maps: its surface, views from beside; and the scale bar."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.formats.write import Picture
from allfocus.metadata.carry import MAP, Metadata, sign_map
from allfocus.outputs.finish import finish_picture
from allfocus.outputs.heights import find_units, is_near_first, measure_up, shown_colours
from allfocus.outputs.moving import encode_moving
from allfocus.outputs.scale_bar import draw_scale_bar
from allfocus.outputs.surface import make_surface
from allfocus.outputs.surface_files import encode_surface
from allfocus.outputs.views import RATE, find_nearness, lay_side_by_side, make_anaglyph, make_views, rock
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult
from allfocus.run.workers import watched


def make_shapes(
    result: FusionResult, outputs: Outputs, metadata: Metadata, cancelled: Event | None = None
) -> Iterator[Picture]:
    """The files that are wanted.

    Args:
        result: with depth, where it is needed.
        outputs: what goes where.
        metadata: of the reference, with sizes that were given instead of those of its file.
        cancelled: once it is set work on moving pictures ends with `Cancelled`.
    """
    if outputs.scale_bar is not None:
        assert metadata.pixel_size is not None
        drawn = draw_scale_bar(result.image, metadata.pixel_size[0], result.samples)
        yield make_view(result, outputs.scale_bar, drawn, metadata, "the picture with a scale bar")
    if result.depth is None:
        return
    if outputs.surface is not None:
        yield make_surface_file(result, outputs, outputs.surface, metadata)
    yield from make_stereo(result, outputs, metadata, cancelled)


def make_surface_file(result: FusionResult, outputs: Outputs, path: Path, metadata: Metadata) -> Picture:
    """The surface as a file, with notes on what was left out of it; without content where no depth is known."""
    units = find_units(result, outputs, metadata)
    near_first = is_near_first(result, outputs, is_calibrated=units.are_known)
    surface = make_surface(
        measure_up(result, near_first=near_first),
        units,
        most=outputs.surface_triangles,
        is_solid=outputs.surface_solid,
    )
    count = len(surface.triangles)
    if not count:
        message = f"{path.name} is not made: no depth is known"
        return Picture(path, None, notes=(Note(code="surface-skipped", message=message),))
    notes = []
    if surface.step > 1:
        message = f"{path.name}: every {surface.step:.3g}th pixel was taken, {count:,} triangles; --surface-triangles"
        notes.append(Note(code="surface-reduced", message=message))
    if surface.holes >= 0.0005:
        message = f"{path.name}: {surface.holes:.1%} of the picture has no known depth, and is a hole"
        notes.append(Note(code="surface-holes", message=message))
    content = encode_surface(path, surface, shown_colours(result, metadata))
    return Picture(path, content, notes=tuple(notes))


def make_stereo(
    result: FusionResult, outputs: Outputs, metadata: Metadata, cancelled: Event | None = None
) -> Iterator[Picture]:
    """Views side by side, for coloured glasses, and moving."""
    if not any((outputs.stereo, outputs.anaglyph, outputs.rocking)):
        return
    is_calibrated = find_units(result, outputs, metadata).are_known
    nearness = find_nearness(result, outputs, is_calibrated=is_calibrated)
    if outputs.stereo is not None:
        both = lay_side_by_side(make_views(result.image, nearness, outputs.parallax), outputs.stereo_view)
        what = "two views side by side, " + (
            "the left eye's left" if outputs.stereo_view == "parallel" else "crosswise"
        )
        yield make_view(result, outputs.stereo, both, metadata, what)
    if outputs.anaglyph is not None:
        views = make_views(result.shown(result.image), nearness, outputs.parallax)
        drawn = make_anaglyph(views, is_gray=outputs.anaglyph_colours == "gray")
        shown = replace(result, samples=None)
        yield make_view(shown, outputs.anaglyph, drawn, metadata, "both views for glasses of red and cyan")
    if outputs.rocking is not None:
        turn = list(watched(rock(shown_colours(result, metadata), nearness, outputs.parallax), cancelled))
        exif = sign_map("the picture, rocking", turn[0].shape[:2]).exif
        yield Picture(outputs.rocking, encode_moving(outputs.rocking, turn, RATE, exif, cancelled))


def make_view(result: FusionResult, path: Path, drawn: Array, metadata: Metadata, what: str) -> Picture:
    """A picture made of the fused one, in its depth and colours, that says what it shows."""
    if drawn.ndim > result.image.ndim:  # a profile of gray is none of red, green and blue
        metadata = replace(metadata, icc=None)
    made = replace(result, image=drawn)
    if result.source is None:
        return Picture(path, drawn, metadata=metadata, samples=result.samples)
    return finish_picture(made, path, metadata, result.source, f"{MAP}: {what}")
