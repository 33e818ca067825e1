"""One picture too large for a worker is a task of each region: the same to the bit, in whoever's order, resumed."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from allfocus.batch.run import plan_batch
from allfocus.batch.shares import Share, Step, may_be_shared, plan_share
from allfocus.batch.steps import do_step
from allfocus.batch.tasks import Task
from allfocus.batch.wishes import BatchOptions
from allfocus.batch.work import Outcome
from allfocus.core.color import Array
from allfocus.errors import ReadError
from allfocus.jobs import JobRequest
from allfocus.options import FusionOptions
from allfocus.outputs.wishes import Outputs
from allfocus.run.handover import hand_over, take_over
from allfocus.run.machine import Machine
from allfocus.run.scratch import Scratch
from allfocus.volumes import VolumeResult, fuse_volume
from pictures import focal_frames

pytest.importorskip("zarr", reason="the extra microscopy is not installed")
from zarr_files import make_group, write_image

SIZE = (800, 776)


def write_field(path: Path, channels: int = 1) -> None:
    shots = [np.stack(focal_frames(*SIZE, 3, gray=True, dtype="uint16", seed=k)) for k in range(channels)]
    shots[0][2] = np.roll(shots[0][2], (2, 3), (0, 1))
    data = shots[0] if channels == 1 else np.stack(shots)
    write_image(make_group(path, "0.5"), data, "0.5", axes="zyx" if channels == 1 else "czyx")


def make_share(root: Path, model: Path, channel: str | None = None) -> Share:
    """A share of the only task below a folder, as if its workers were small."""
    options = FusionOptions(model=model)
    outputs = Outputs(depth=Path("{stack}_depth.ome.zarr"), confidence=Path("{stack}_sure.ome.zarr"))
    request = JobRequest(frames=(), outputs=outputs, options=options, channel_for_focus=channel)
    (task,) = plan_batch([root], root.parent / "out", request, BatchOptions()).tasks
    groups = 1 if channel or "one" in task.name else 2
    assert task.request.outputs.image is not None
    folder = task.request.outputs.image.parent / f".{task.name}.x.regions"
    return Share(task=task, out=root.parent / "out", folder=folder, size=SIZE, side=512, groups=groups)


def do(share: Share, *steps: Step) -> list[Outcome]:
    return [do_step(share, step, lambda event: None, Event(), worker="w", machine=Machine()) for step in steps]


def level(path: Path, name: str = "0") -> Array:
    import zarr

    return np.asarray(zarr.open_group(path, mode="r")[name])


def check(share: Share, whole: VolumeResult) -> None:
    out, maps = share.task.request.outputs, whole.maps
    assert out.image is not None
    assert out.depth is not None
    assert out.confidence is not None
    np.testing.assert_array_equal(level(out.image)[:, :, 0], whole.images[0])
    np.testing.assert_array_equal(level(out.image, "labels/index_map/0")[:, :, 0], maps["index_map"][0])
    np.testing.assert_array_equal(level(out.depth)[:, :, 0], maps["depth"][0])
    np.testing.assert_array_equal(level(out.confidence)[:, :, 0], maps["confidence"][0])


def fuse_whole(share: Share, channel: int | None = None) -> VolumeResult:
    (path,) = share.task.frames
    names: Any = ("index_map", "depth", "confidence")
    return fuse_volume(path, options=share.task.request.options, maps=names, channel_for_focus=channel)


@pytest.mark.slow
def test_regions_of_several_workers_are_the_picture_in_one_piece_to_the_bit(tmp_path: Path, tiny_model: Path) -> None:
    write_field(tmp_path / "in" / "one.ome.zarr")
    share = make_share(tmp_path / "in", tiny_model)
    assert len(share.regions) == 4
    assert [outcome.error for outcome in do(share, Step(kind="begin"), *share.steps[:3])] == [""] * 4
    written = {path: path.stat().st_mtime_ns for path in share.folder.glob("0.ome.zarr/0/c/**/*") if path.is_file()}
    # the batch is killed; another one goes on, and has the rest done in some other order
    again = do(share, Step(kind="begin"), share.steps[0], *reversed(share.steps[1:]))
    assert [outcome.error for outcome in again] == [""] * 6
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert not share.whole(0).exists()  # no longer needed
    (ended,) = do(share, Step(kind="end"))
    assert (ended.state, ended.error) == ("done", "")
    whole = fuse_whole(share)
    check(share, whole)
    assert ended.facts["confidence"] == pytest.approx(whole.maps["confidence"].mean(), abs=1e-3)
    assert ended.thumbnail.startswith("data:")
    assert ended.cpu_seconds > 0
    assert not share.folder.exists()
    assert level(share.task.request.outputs.pictures[0], "2").shape == (1, 1, 1, 200, 194)


@pytest.mark.slow
def test_channels_that_go_by_one_and_channels_by_themselves(tmp_path: Path, tiny_model: Path) -> None:
    write_field(tmp_path / "in" / "two.ome.zarr", channels=2)
    share = make_share(tmp_path / "in", tiny_model, channel="GFP")
    assert {outcome.error for outcome in do(share, Step(kind="begin"), *share.steps, Step(kind="end"))} == {""}
    check(share, fuse_whole(share, channel=1))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="the extra batch is not installed")
def test_dask_does_the_steps_in_two_workers_and_a_failure_is_named_once(tmp_path: Path, tiny_model: Path) -> None:
    from allfocus.batch.cluster import open_crew
    from allfocus.batch.graph import submit_share

    write_field(tmp_path / "in" / "one.ome.zarr")
    share = make_share(tmp_path / "in", tiny_model)
    lost = tmp_path / "in" / "one.ome.zarr" / "0" / "c" / "1" / "3" / "2"
    content = lost.read_bytes()
    lost.write_bytes(content[: len(content) // 2])
    (tmp_path / "out").mkdir()
    with open_crew(BatchOptions(workers=2), tmp_path / "out") as crew:
        assert crew.smallest().free_memory > 1e6
        failed = submit_share(crew, share, "first").result(timeout=60)
        assert failed.state == "failed"
        assert "one.ome.zarr" in failed.error
        lost.write_bytes(content)
        done = submit_share(crew, share, "second").result(timeout=60)
    assert (done.state, done.error) == ("done", "")
    check(share, fuse_whole(share))


def test_what_only_fits_in_parts_is_shared(tmp_path: Path) -> None:
    group = make_group(tmp_path / "in" / "huge.ome.zarr", "0.5")
    write_image(group, np.zeros((3, 8, 8), np.uint8), "0.5", axes="zyx")
    group.create_array("0", shape=(3, 12_000, 9000), dtype="uint8", chunks=(1, 1024, 1024), overwrite=True)
    request = JobRequest(frames=(), outputs=Outputs(), options=FusionOptions(max_memory="1.3GB"))
    (task,) = plan_batch([tmp_path / "in"], tmp_path / "out", request, BatchOptions()).tasks
    assert may_be_shared(task)
    share = plan_share(task, tmp_path / "out", Machine())
    assert share is not None
    assert len(share.regions) == 6  # 9,000 columns make two: less than half of a region is none of its own
    assert {part.start % 4096 for region in share.regions for part in region} == {0}
    assert share == plan_share(task, tmp_path / "out", Machine())
    roomy = replace(task, request=replace(task.request, options=FusionOptions(max_memory="100GB")))
    assert plan_share(roomy, tmp_path / "out", Machine()) is None
    picture: Task = replace(task, request=replace(task.request, outputs=Outputs(image=tmp_path / "out" / "a.ome.tif")))
    assert not may_be_shared(picture)


def test_what_is_handed_over_calls_nothing(tmp_path: Path) -> None:
    import pickle
    import subprocess

    hand_over(tmp_path, {"a": np.arange(100_000), "b": (1, None)}, {}, Scratch())
    found = take_over(tmp_path, {}, (), Scratch())
    np.testing.assert_array_equal(found["a"], np.arange(100_000))
    assert found["b"] == (1, None)
    assert not found["a"].flags.writeable
    (tmp_path / "index").write_bytes(pickle.dumps(subprocess.Popen))
    with pytest.raises(ReadError, match=r"damaged \(subprocess\.Popen is not expected\)"):
        take_over(tmp_path, {}, (), Scratch())
    (tmp_path / "index").write_bytes(json.dumps([]).encode())
    with pytest.raises(ReadError, match="damaged"):
        take_over(tmp_path, {}, (), Scratch())
