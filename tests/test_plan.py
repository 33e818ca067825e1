"""What a fusion will need: memory that does not grow with the frames, and a refusal before the work starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus.core.stack import FrameInfo
from allfocus.errors import ResourceError
from allfocus.options import FusionOptions
from allfocus.outputs.files import count_held_bytes
from allfocus.outputs.wishes import Outputs
from allfocus.plan import Plan, plan_fusion
from allfocus.run.machine import Machine, cgroup_limits, measure_free_memory
from allfocus.run.scratch import scratch_folder
from allfocus.run.workers import cpus

LARGE = FrameInfo(shape=(4000, 6000, 3), dtype=np.dtype(np.uint8))
SMALL = FrameInfo(shape=(600, 800, 3), dtype=np.dtype(np.uint8))


@pytest.fixture(autouse=True)
def a_disk_with_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10**12})())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(free_memory=8_000_000_000, processors=2, scratch=tmp_path)


def planned(machine: Machine, frames: int, frame: FrameInfo, *, are_files: bool = True, **options: Any) -> Plan:
    return plan_fusion(frames, frame, FusionOptions(**options), are_files=are_files, machine=machine)


def test_memory_does_not_grow_with_the_number_of_large_frames(machine: Machine, tmp_path: Path) -> None:
    seven, hundred = planned(machine, 7, LARGE), planned(machine, 100, LARGE)
    assert seven.memory == hundred.memory < 1_500_000_000
    assert seven.scratch == hundred.scratch == tmp_path
    assert hundred.on_disk / seven.on_disk == pytest.approx(100 / 7)


def test_what_waits_to_be_written_counts(machine: Machine) -> None:
    outputs = Outputs(confidence=Path("c.png"), stereo=Path("s.png"), veil=Path("v.png"), depth=Path("d.tif"))
    held = count_held_bytes(outputs, LARGE)
    assert held == (2 + 2 + 4) * LARGE.pixels + 2 * LARGE.nbytes
    assert count_held_bytes(replace(outputs, depth_unit="frame"), LARGE) == held + 2 * LARGE.pixels
    plans = [
        plan_fusion(7, LARGE, FusionOptions(depth=True), are_files=True, machine=machine, held=each)
        for each in (0, held)
    ]
    assert plans[0].memory < plans[1].memory <= plans[0].memory + held


def test_many_candidates_take_room(machine: Machine) -> None:
    few, many, more = (planned(machine, count, SMALL, are_files=False).memory for count in (8, 32, 33))
    assert many - few > 100_000_000
    assert more - many < 10_000_000


def test_small_stacks_stay_in_memory(machine: Machine) -> None:
    plan = planned(machine, 2, SMALL)
    assert (plan.scratch, plan.on_disk) == (None, 0)
    assert not plan.is_large


def test_frames_that_are_in_memory_already_are_not_spooled(machine: Machine) -> None:
    assert (
        planned(machine, 20, LARGE, are_files=False).on_disk == planned(machine, 20, LARGE).on_disk - 20 * LARGE.nbytes
    )


def test_little_memory_means_fewer_workers_and_then_a_refusal(machine: Machine) -> None:
    plenty = planned(machine, 7, LARGE)
    assert plenty.workers == 2
    less = planned(machine, 7, LARGE, max_memory=plenty.memory - 50_000_000)
    assert less.workers == 1
    with pytest.raises(ResourceError, match=r"7 frames of 6000x4000 needs about .* GB of memory, 0\.5 GB are allowed"):
        planned(machine, 7, LARGE, max_memory=500_000_000)


def test_a_disk_without_room_is_a_refusal_with_the_numbers(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 2_000_000_000})())
    with pytest.raises(ResourceError, match=r"needs 1\d\.\d GB on disk; .* has 2\.0 GB free: .*--spool"):
        planned(machine, 100, LARGE)
    assert planned(machine, 2, SMALL).scratch is None


def test_a_place_that_is_no_folder_is_refused(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="is not a folder"):
        planned(machine, 100, LARGE, spool=tmp_path / "none")


def test_it_says_what_it_will_do(machine: Machine, tmp_path: Path) -> None:
    words = str(planned(machine, 100, LARGE))
    for part in ("100 frames of 6000x4000", "24.0 MP", "tiles of 512 px", "2 at a time", "GB of memory", str(tmp_path)):
        assert part in words


def test_the_laplacian_rule_keeps_nothing_but_the_frames(machine: Machine) -> None:
    assert planned(machine, 10, LARGE, method="laplacian").on_disk == 10 * LARGE.nbytes


def make_container(root: Path) -> Path:
    """The system's files in a container that has 3 GB, 1.5 GB of them in use, two thirds of which is cache."""
    files = {
        "proc/self/cgroup": "0::/box",
        "sys/fs/cgroup/box/memory.max": "3000000000",
        "sys/fs/cgroup/box/memory.current": "1500000000",
        "sys/fs/cgroup/box/memory.stat": "anon 500000000\ninactive_file 1000000000",
        "sys/fs/cgroup/memory.max": "max",
        "sys/fs/cgroup/memory.current": "9000000000",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_container_may_allow_less_than_the_machine(tmp_path: Path) -> None:
    assert cgroup_limits(make_container(tmp_path)) == [(3_000_000_000, 500_000_000)]


def test_a_system_without_control_groups_has_no_such_limits(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path) == []


@pytest.mark.parametrize(("available", "expected"), [(2_000_000_000, 2_000_000_000), (9_000_000_000, 2_500_000_000)])
def test_free_memory_is_the_least_of_what_machine_and_container_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, available: int, expected: int
) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": available})())
    assert measure_free_memory(tmp_path) == available
    assert measure_free_memory(make_container(tmp_path)) == expected


def test_a_plan_counts_on_what_this_machine_has() -> None:
    machine = Machine()
    assert machine.processors == cpus()
    assert machine.scratch == scratch_folder()
    assert machine.free_memory == pytest.approx(measure_free_memory(), rel=0.5)
