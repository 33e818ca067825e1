"""Positions of one file are tasks of their own, which workers share; what they write lies in the shape of the file."""

import shutil
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import tifffile

from allfocus.batch.ledger_file import are_there
from allfocus.batch.run import Work, plan_batch
from allfocus.batch.wishes import BatchOptions
from allfocus.batch.work import Outcome, do_task
from allfocus.jobs import JobRequest
from allfocus.options import FusionOptions
from allfocus.outputs.wishes import Outputs
from allfocus.volumes import fuse_volume
from pictures import focal_frames

OPTIONS = FusionOptions(method="laplacian", align="none")


def plan(root: Path) -> Work:
    request = JobRequest(frames=(), outputs=Outputs(), options=OPTIONS)
    return plan_batch([root], root.parent / "out", request, BatchOptions())


def do(work: Work) -> list[Outcome]:
    return [do_task(task, work.out, lambda event: None, Event()) for task in work.tasks]


@pytest.mark.slow
def test_fields_of_a_plate_are_fused_one_by_one(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="the extra microscopy is not installed")
    from zarr_files import planes_tczyx, write_plate

    data = np.stack([planes_tczyx(1, 1, 3, seed=k) for k in range(4)])
    (tmp_path / "night").mkdir()
    write_plate(tmp_path / "night" / "plate.ome.zarr", data)
    work = plan(tmp_path / "night")
    wells = [f"plate/{place}.ome.zarr" for place in ("A/1/0", "A/1/1", "B/2/0", "B/2/1")]
    assert [task.name for task in work.tasks] == wells
    assert len({task.inputs for task in work.tasks}) == 4  # each depends on its own field alone
    outcomes = do(work)
    assert [outcome.state for outcome in outcomes] == ["done"] * 4
    whole = fuse_volume(tmp_path / "night" / "plate.ome.zarr", options=OPTIONS)
    for number, (task, outcome) in enumerate(zip(work.tasks, outcomes, strict=True)):
        import zarr

        made = np.asarray(zarr.open_group(work.out / task.name, mode="r")["0"])
        np.testing.assert_array_equal(made[0, 0, 0], whole.images[number, 0, 0])
        assert are_there(work.out, outcome.outputs)
    (work.out / wells[0] / "0" / "zarr.json").unlink()
    assert not are_there(work.out, outcomes[0].outputs)


@pytest.mark.slow
def test_a_well_that_is_lost_fails_alone(tmp_path: Path) -> None:
    pytest.importorskip("zarr", reason="the extra microscopy is not installed")
    from zarr_files import planes_tczyx, write_plate

    (tmp_path / "night").mkdir()
    write_plate(tmp_path / "night" / "plate.ome.zarr", np.stack([planes_tczyx(1, 1, 3, seed=k) for k in range(4)]))
    shutil.rmtree(tmp_path / "night" / "plate.ome.zarr" / "A" / "1" / "1")
    shutil.rmtree(tmp_path / "night" / "plate.ome.zarr" / "B" / "2")
    work = plan(tmp_path / "night")
    wells = [f"plate/{place}.ome.zarr" for place in ("A/1/0", "A/1/1", "B/2")]
    assert [task.name for task in work.tasks] == wells
    outcomes = do(work)
    assert [outcome.state for outcome in outcomes] == ["done", "failed", "failed"]
    assert all("does not exist" in outcome.error for outcome in outcomes[1:])


def test_positions_of_a_file_are_fused_one_by_one_even_if_they_differ(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    shots = [np.stack(focal_frames(40, 40 + 8 * k, 3, gray=True, seed=k)) for k in range(2)]
    with tifffile.TiffWriter(tmp_path / "night" / "wells.ome.tif", ome=True) as file:
        for k, planes in enumerate(shots):
            file.write(planes, photometric="minisblack", metadata={"axes": "ZYX", "Name": f"well {k + 1}"})
    work = plan(tmp_path / "night")
    assert [task.name for task in work.tasks] == ["wells/well 1.ome.tif", "wells/well 2.ome.tif"]
    assert len({task.digest for task in work.tasks}) == 2
    assert [outcome.error for outcome in do(work)] == ["", ""]
    assert [tifffile.imread(work.out / task.name).shape for task in work.tasks] == [(40, 40), (40, 48)]
