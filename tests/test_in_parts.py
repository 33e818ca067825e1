"""Planes larger than memory: read and composed in parts, the same picture to the bit, each chunk read once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from allfocus.alignment.photometric import ExposureTransfer
from allfocus.alignment.warp import warp_frame, warp_in_parts
from allfocus.core.color import Array
from allfocus.core.pyramid import build_levels, build_levels_in_parts, count_levels
from allfocus.core.stack import FrameInfo
from allfocus.errors import AlignmentError, ResourceError
from allfocus.formats.format import PlaneParts
from allfocus.formats.write import write_ome
from allfocus.jobs import JobRequest
from allfocus.jobs.checks import check_job
from allfocus.options import FusionOptions
from allfocus.outputs.wishes import Outputs
from allfocus.plan import Plan, plan_fusion, plan_parts
from allfocus.result import FusionResult
from allfocus.run.context import Run
from allfocus.run.machine import Machine
from allfocus.run.scratch import Scratch
from allfocus.sources.volume import VolumeStack, inspect_volume
from allfocus.volumes import fuse_group
from pictures import focal_frames
from zarr_files import make_group, write_image

SIZE = (530, 560)


def write_volume(path: Path, **storage: Any) -> VolumeStack:
    """A stack of three planes; the last of them lies a little beside the others."""
    frames = focal_frames(*SIZE, 3, gray=True, dtype="uint16")
    frames[2] = np.roll(frames[2], (2, 3), (0, 1))
    write_image(make_group(path, "0.5"), np.stack(frames), "0.5", axes="zyx", **storage)
    return inspect_volume(path).stacks[0]


def fuse(stack: VolumeStack, model: Path, run: Run) -> dict[str, Array]:
    """The picture and the maps, put together of what comes."""
    options = FusionOptions(model=model, depth=True, keep_canvas=True, halos="keep")
    found: dict[str, Array] = {}
    for window, fused in fuse_group([stack], options, run):
        for name in ("image", "index_map", "confidence", "depth", "depth_error"):
            part = getattr(fused, name)
            found.setdefault(name, np.zeros(SIZE, part.dtype))[window] = part
        assert isinstance(fused, FusionResult)
    return found


@pytest.mark.slow
def test_a_picture_in_parts_is_the_same_to_the_bit(tmp_path: Path, tiny_model: Path) -> None:
    stack = write_volume(tmp_path / "big.ome.zarr", chunks=(2, 100, 128))
    whole = fuse(stack, tiny_model, Run())
    in_parts = fuse(stack, tiny_model, Run(region=512, scratch=Scratch(tmp_path)))
    for name, plane in whole.items():
        np.testing.assert_array_equal(in_parts[name], plane, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("storage", [{"chunks": (1, 64, 64), "shards": (1, 128, 128)}, {"chunks": (2, 96, 256)}])
def test_each_chunk_is_read_once(storage: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from zarr.storage import LocalStore

    stack = write_volume(tmp_path / "big.ome.zarr", **storage)
    asked: dict[tuple[str, str], int] = {}
    get = LocalStore.get

    async def counting(self: Any, key: str, prototype: Any, byte_range: Any = None) -> Any:
        if "/c/" in key and not type(byte_range).__name__.startswith("Suffix"):  # which is a shard's index
            asked[key, str(byte_range)] = asked.get((key, str(byte_range)), 0) + 1
        return await get(self, key, prototype, byte_range)

    monkeypatch.setattr(LocalStore, "get", counting)
    for _ in fuse_group([stack], FusionOptions(method="laplacian", align="none"), Run(region=512)):
        pass
    assert set(asked.values()) == {1}
    assert len(asked) >= 2 * 6 * 3


def test_levels_in_parts_are_the_same_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("uint8", "uint16", "float32"):
        frame = (rng.random((700, 90)) * (255 if dtype == "uint8" else 1)).astype(dtype)
        frame = (rng.random((700, 90)) * 65535).astype(dtype) if dtype == "uint16" else frame
        levels = count_levels(*frame.shape)
        whole = list(build_levels(frame, levels))
        for top, found in build_levels_in_parts(frame, levels, 1):
            for level, (pixels, energy) in enumerate(found):
                rows, patches = top >> level, (top >> level) // 4
                own = whole[level][0][rows : rows + len(pixels)]  # the frame itself is not padded
                np.testing.assert_array_equal(pixels[: own.shape[0], : own.shape[1]], own)
                np.testing.assert_array_equal(energy, whole[level][1][:, patches : patches + energy.shape[1]])


@pytest.mark.parametrize("exposure", [ExposureTransfer(), ExposureTransfer(gain=(1.2,))])
def test_a_frame_warped_in_parts_is_the_same_to_the_bit(exposure: ExposureTransfer) -> None:
    frame, filling = focal_frames(1000, 40, 2, gray=True)
    matrix = np.array([[1.002, 0, -3.3], [0, 1.003, 4.6], [0, 0, 1]])
    whole = warp_frame(frame, matrix, exposure, None, filling)
    for rows, part in warp_in_parts(frame, matrix, exposure, filling, (1000, 40), height=256):
        np.testing.assert_array_equal(part, whole[rows])


def test_a_frame_that_is_turned_is_not_warped_in_parts() -> None:
    turned = np.array([[0, 1, 0], [-1, 0, 7999], [0, 0, 1]], np.float64)
    with pytest.raises(AlignmentError, match="--align none"):
        list(warp_in_parts(np.zeros((8000, 8000), np.uint8), turned, ExposureTransfer(), None, (8000, 8000)))


def test_what_does_not_fit_is_planned_in_parts(tmp_path: Path) -> None:
    frame = FrameInfo(shape=(20_000, 20_000), dtype=np.dtype("uint8"))
    machine = Machine(free_memory=10**11, processors=8, scratch=tmp_path)
    options = FusionOptions(max_memory="2GB", halos="keep")
    with pytest.raises(ResourceError, match=r"4\.8 GB"):
        plan_fusion(7, frame, options, are_files=True, machine=machine)
    parts = PlaneParts(read=lambda planes, rows: np.zeros(0), planes=1, rows=1024)
    try:
        plan: Plan = plan_parts(7, frame, options, parts, machine=machine)
    except ResourceError as error:
        assert "on disk" in str(error)  # of this machine
        return
    assert plan.in_parts
    assert plan.memory < 2e9
    assert "in regions of" in str(plan)


@pytest.mark.slow
def test_what_could_be_fused_in_parts_says_so(tmp_path: Path) -> None:
    write_volume(tmp_path / "big.ome.zarr", chunks=(1, 100, 128))
    request = JobRequest(
        frames=[tmp_path / "big.ome.zarr"],
        outputs=Outputs(image=tmp_path / "out.tif"),
        options=FusionOptions(max_memory="1MB"),
    )
    with pytest.raises(ResourceError, match=r"ends in \.ome\.zarr or \.ome\.tif it is fused in parts$"):
        check_job(request)


def test_wide_planes_are_written_to_ome_tiff_in_tiles(tmp_path: Path) -> None:
    for width, tiled in ((8200, True), (8192, False)):
        planes = np.arange(2 * 20 * width, dtype=np.uint16).reshape(2, 20, width)
        write_ome(tmp_path / "wide.ome.tif", planes, "CYX")
        with tifffile.TiffFile(tmp_path / "wide.ome.tif") as file:
            assert all(page.is_tiled == tiled for page in file.pages)
            np.testing.assert_array_equal(file.series[0].asarray(), planes)
