"""The size of a pixel and the distance of frames, from every kind of file into every kind of file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from allfocus import FusionOptions, OptionError, Outputs, WriteError
from allfocus.io import Metadata, read_image, read_metadata, write_image
from allfocus.jobs import Job, JobRequest
from pictures import focal_frames

FRAMES = focal_frames(32, 48, 3, gray=True, dtype="uint16")


def write_stack(path: Path, kind: str) -> Path:
    """A stack with pixels of 0.1 x 0.2 um, 0.5 um apart."""
    planes = np.stack(FRAMES)
    if kind == "imagej":
        notes = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
        tifffile.imwrite(path, planes, imagej=True, resolution=(10, 5), metadata=notes)
    elif kind == "imagej in mm":
        notes = {"axes": "ZYX", "spacing": 0.0005, "unit": "mm"}
        tifffile.imwrite(path, planes, imagej=True, resolution=(10_000, 5000), metadata=notes)
    else:
        size = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 200, "PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 0.5}
        tifffile.imwrite(path, planes, ome=True, metadata={"axes": "ZYX", **size})
    return path


def run(stack: Path, outputs: Outputs, **options: Any) -> None:
    """Fuse a stack, or a folder of pictures, to files."""
    frames = sorted(stack.iterdir()) if stack.is_dir() else [stack]
    chosen = FusionOptions(**({"method": "laplacian", "align": "none"} | options))
    Job(JobRequest(frames=frames, outputs=outputs, options=chosen)).run()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["imagej", "imagej in mm", "ome"])
def test_sizes_survive_in_every_format(tmp_path: Path, kind: str) -> None:
    stack = write_stack(tmp_path / ("a.ome.tif" if kind == "ome" else "a.tif"), kind)
    for name in ("out.tif", "out.png", "out.jpg", "out.webp"):
        run(stack, Outputs(image=tmp_path / name, index_map=tmp_path / f"index_{Path(name).stem}.tif"))
        assert read_metadata(tmp_path / name).dpi == pytest.approx((254_000, 127_000))
    for name in ("out.tif", "index_out.tif"):
        with tifffile.TiffFile(tmp_path / name) as tiff:
            notes, tags = tiff.imagej_metadata or {}, tiff.pages.first.tags
            assert (notes["unit"], notes["spacing"]) == ("um", 0.5)
            sides = [tags[side].value[0] / tags[side].value[1] for side in ("XResolution", "YResolution")]
            assert sides == pytest.approx([10, 5]) and tags["ResolutionUnit"].value == 1
    run(stack, Outputs(image=tmp_path / "out.ome.tif"))
    import ome_types  # a second's work, for those tests alone that need it

    pixels = ome_types.from_tiff(tmp_path / "out.ome.tif").images[0].pixels
    assert (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_z) == pytest.approx((0.1, 0.2, 0.5))
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        assert tiff.pages.first.tags["XResolution"].value[0] == 100_000


def test_sizes_survive_from_file_to_file(tmp_path: Path) -> None:
    run(write_stack(tmp_path / "a.tif", "imagej"), Outputs(image=tmp_path / "b.tif"))
    (tmp_path / "again").mkdir()
    for k in range(2):
        scale = read_metadata(tmp_path / "b.tif")
        kept = Metadata(pixel_size=scale.pixel_size, z_step=scale.z_step)  # else it would be left out as our own
        write_image(tmp_path / "again" / f"{k}.tif", read_image(tmp_path / "b.tif"), kept)
    run(tmp_path / "again", Outputs(image=tmp_path / "c.tif"))
    found = read_metadata(tmp_path / "c.tif")
    assert found.pixel_size == pytest.approx((0.1, 0.2)) and found.z_step == 0.5


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_no_resolution_is_invented(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "in").mkdir()
    for k, frame in enumerate(FRAMES):
        Image.fromarray((frame >> 8).astype(np.uint8)).save(tmp_path / "in" / f"{k}.png")
    run(tmp_path / "in", Outputs(image=tmp_path / f"a{suffix}", index_map=tmp_path / "i.png"))
    for name in (f"a{suffix}", "i.png"):
        assert read_metadata(tmp_path / name).dpi is None
        with Image.open(tmp_path / name) as image:
            assert image.getexif().get(282, 1) == 1 and image.getexif().get(296, 1) == 1
            assert image.info.get("dpi", (1, 1)) in ((1, 1), (0, 0))


@pytest.mark.parametrize(("unit", "given", "step"), [("um", None, 0.5), ("um", 2.0, 2.0), ("frame", None, 1.0)])
def test_depth_in_micrometres(tmp_path: Path, tiny_model: Path, unit: Any, given: float | None, step: float) -> None:
    stack = write_stack(tmp_path / "a.tif", "imagej")
    run(stack, Outputs(depth=tmp_path / "gray.tif"), method="network", model=tiny_model)
    wanted = Outputs(depth=tmp_path / "depth.tif", depth_unit=unit, z_step=given)
    run(stack, wanted, method="network", model=tiny_model)
    found, gray = tifffile.imread(tmp_path / "depth.tif"), tifffile.imread(tmp_path / "gray.tif")
    assert found.dtype == np.float32
    assert np.allclose(found, gray * (2 * step / 65535), atol=step * 1e-4)
    with tifffile.TiffFile(tmp_path / "depth.tif") as tiff:
        word = "micrometres" if unit == "um" else "frames"
        assert f"depth in {word} above the first" in tiff.pages.first.description


def test_depth_in_micrometres_needs_a_distance_and_floats(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "in").mkdir()
    for k, frame in enumerate(FRAMES):
        tifffile.imwrite(tmp_path / "in" / f"{k}.tif", frame)
    with pytest.raises(OptionError, match="unknown; give it with --z-step"):
        run(tmp_path / "in", Outputs(depth=tmp_path / "d.tif", depth_unit="um"), method="network", model=tiny_model)
    outputs = Outputs(depth=tmp_path / "d.png", depth_unit="um", z_step=1.0)
    with pytest.raises(WriteError, match="PNG holds no floats"):
        run(tmp_path / "in", outputs, method="network", model=tiny_model)
