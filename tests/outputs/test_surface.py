"""Surfaces: what trimesh reads back of them, in micrometres, with holes, closed, and no larger than asked."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.core.color import FloatArray
from allfocus.outputs.heights import Units
from allfocus.outputs.surface import make_surface
from allfocus.outputs.surface_files import encode_surface
from pictures import picture
from surfaces import load

UNITS = Units(across=0.5, down=0.25, up=2.0, name="micrometres")
ENDINGS = ("stl", "ply", "glb")


def ramp(height: int = 21, width: int = 31) -> FloatArray:
    """Heights that rise from left to right by 4 frames."""
    return np.tile(np.linspace(0, 4, width, dtype=np.float32), (height, 1))


def read_back(heights: FloatArray, ending: str, most: int = 10_000, *, is_solid: bool = False) -> Any:
    surface = make_surface(heights, UNITS, most=most, is_solid=is_solid)
    content = encode_surface(Path(f"a.{ending}"), surface, picture(*heights.shape))
    return load(io.BytesIO(content), file_type=ending, force="mesh")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_ramp_has_its_size_in_micrometres_and_looks_up(ending: str) -> None:
    mesh = read_back(ramp(), ending)
    assert np.allclose(mesh.bounds, [[0, 0, 0], [15, 5, 8]])
    assert len(mesh.faces) == 2 * 20 * 30
    assert (mesh.face_normals[:, 2] > 0).all()
    rising = mesh.vertices[np.argsort(mesh.vertices[:, 0])][:, 2]
    assert (np.diff(rising) >= -1e-6).all()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_solid_is_watertight_and_has_the_volume_of_the_ramp(ending: str) -> None:
    mesh = read_back(ramp(), ending, is_solid=True)
    base = 0.02 * 15
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(15 * 5 * (4 + base), rel=1e-5)
    assert np.allclose(mesh.bounds, [[0, 0, -base], [15, 5, 8]])


def test_the_first_row_of_the_picture_is_at_the_top() -> None:
    heights = np.zeros((8, 8), np.float32)
    heights[0] = 1
    mesh = read_back(heights, "ply")
    assert set(mesh.vertices[mesh.vertices[:, 2] > 1][:, 1]) == {7 * 0.25}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("most", [10_000, 300])
def test_holes_stay_holes_and_solids_stay_watertight(seed: int, most: int) -> None:
    heights = ramp()
    unknown = np.random.default_rng(seed).random(heights.shape) < 0.2
    heights[unknown] = np.nan
    open_mesh, solid = (read_back(heights, "ply", most, is_solid=closed) for closed in (False, True))
    assert solid.is_watertight
    assert solid.is_winding_consistent
    assert max(len(open_mesh.faces), len(solid.faces)) <= most
    columns = np.rint(open_mesh.vertices[:, 0] / 0.5).astype(int)
    rows = 20 - np.rint(open_mesh.vertices[:, 1] / 0.25).astype(int)
    assert not unknown[rows, columns].any()
    assert np.allclose(open_mesh.vertices[:, 2], 2 * heights[rows, columns], atol=1e-5)


def test_squares_that_touch_by_a_corner_are_parted() -> None:
    heights = np.zeros((5, 5), np.float32)
    heights[:2, 3:] = heights[3:, :2] = np.nan
    assert read_back(heights, "stl", is_solid=True).is_watertight


@pytest.mark.parametrize("most", [12, 100, 1199])
@pytest.mark.parametrize("is_solid", [False, True])
def test_there_are_no_more_triangles_than_asked(most: int, is_solid: bool) -> None:
    surface = make_surface(ramp(), UNITS, most=most, is_solid=is_solid)
    assert 0.4 * most <= len(surface.triangles) <= most
    assert surface.step > 1
    assert np.allclose(surface.points[:, :2].max(axis=0), [15, 5])


@pytest.mark.parametrize("heights", [np.full((5, 5), np.nan), np.zeros((1, 9)), np.full((1, 1), 2.0)])
def test_without_squares_there_is_no_surface(heights: FloatArray) -> None:
    for is_solid in (False, True):
        surface = make_surface(heights.astype(np.float32), UNITS, most=100, is_solid=is_solid)
        assert len(surface.triangles) == 0


def test_ply_has_the_colours_of_the_picture() -> None:
    colours = picture(21, 31)
    surface = make_surface(ramp(), UNITS, most=10_000)
    mesh = load(io.BytesIO(encode_surface(Path("a.ply"), surface, colours)), file_type="ply")
    rows = 20 - np.rint(mesh.vertices[:, 1] / 0.25).astype(int)
    columns = np.rint(mesh.vertices[:, 0] / 0.5).astype(int)
    assert np.array_equal(mesh.visual.vertex_colors[:, :3], colours[rows, columns])


def test_glb_shows_the_picture_upright() -> None:
    colours = np.zeros((21, 31, 3), np.uint8)
    colours[:10], colours[10:, :15] = (250, 10, 10), (10, 10, 250)
    surface = make_surface(ramp(), UNITS, most=10_000)
    mesh = load(io.BytesIO(encode_surface(Path("a.glb"), surface, colours)), file_type="glb", force="mesh")
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    assert texture.shape == colours.shape
    # trimesh counts v upwards
    place = np.stack([mesh.visual.uv[:, 0] * 31, (1 - mesh.visual.uv[:, 1]) * 21], 1).astype(int)
    seen = texture[place[:, 1], place[:, 0]].astype(int)
    y, x = mesh.vertices[:, 1] / 0.25, mesh.vertices[:, 0] / 0.5
    assert (seen[y > 13][:, 0] > 200).all()
    assert (seen[(y < 8) & (x < 12)][:, 2] > 200).all()


def test_files_say_their_unit() -> None:
    surface = make_surface(ramp(), UNITS, most=100)
    files = {ending: encode_surface(Path(f"a.{ending}"), surface, picture(21, 31)) for ending in ENDINGS}
    assert all(b"micrometres" in content[:2000] for content in files.values())
    assert not files["stl"].startswith(b"solid")
