"""What a fusion will need: memory that does not grow with the frames, and a refusal before the work starts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allfocus import plan as plans
from allfocus.core.stack import FrameInfo
from allfocus.errors import ResourceError
from allfocus.plan import Plan, plan_fusion
from allfocus.run import machine
from allfocus.run.machine import cgroup_limits, free_memory

LARGE = FrameInfo(shape=(4000, 6000, 3), dtype=np.dtype(np.uint8))
SMALL = FrameInfo(shape=(600, 800, 3), dtype=np.dtype(np.uint8))


@pytest.fixture(autouse=True)
def a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(plans, "free_memory", lambda: 8_000_000_000)
    monkeypatch.setattr(plans, "cpus", lambda: 2)
    monkeypatch.setattr(plans, "scratch_folder", lambda: tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 10**12})())


def planned(frames: int, frame: FrameInfo, **changes: Any) -> Plan:
    usual = {"are_files": True, "network": True, "depth": False, "max_memory": None, "spool": None}
    return plan_fusion(frames, frame, **{**usual, **changes})


def test_memory_does_not_grow_with_the_number_of_large_frames(tmp_path: Path) -> None:
    seven, hundred = planned(7, LARGE), planned(100, LARGE)
    assert seven.memory == hundred.memory < 1_500_000_000
    assert seven.spool == hundred.spool == tmp_path
    assert hundred.spooled / seven.spooled == pytest.approx(100 / 7)


def test_small_stacks_stay_in_memory() -> None:
    plan = planned(2, SMALL)
    assert (plan.spool, plan.spooled) == (None, 0)
    assert not plan.is_large


def test_frames_that_are_in_memory_already_are_not_spooled() -> None:
    assert planned(20, LARGE, are_files=False).spooled == planned(20, LARGE).spooled - 20 * LARGE.nbytes


def test_little_memory_means_fewer_workers_and_then_a_refusal() -> None:
    plenty = planned(7, LARGE)
    assert plenty.workers == 2
    less = planned(7, LARGE, max_memory=plenty.memory - 50_000_000)
    assert less.workers == 1
    with pytest.raises(ResourceError, match=r"7 frames of 6000x4000 needs about .* GB of memory, 0\.5 GB are allowed"):
        planned(7, LARGE, max_memory=500_000_000)


def test_a_disk_without_room_is_a_refusal_with_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"free": 2_000_000_000})())
    with pytest.raises(ResourceError, match=r"needs 1\d\.\d GB on disk; .* has 2\.0 GB free: .*--spool"):
        planned(100, LARGE)
    assert planned(2, SMALL).spool is None


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="is not a folder"):
        planned(100, LARGE, spool=tmp_path / "none")


def test_it_says_what_it_will_do(tmp_path: Path) -> None:
    words = str(planned(100, LARGE))
    for part in ("100 frames of 6000x4000", "24.0 MP", "tiles of 512 px", "2 at a time", "GB of memory", str(tmp_path)):
        assert part in words


def test_the_classic_rule_keeps_nothing_but_the_frames() -> None:
    assert planned(10, LARGE, network=False).spooled == 10 * LARGE.nbytes


def test_a_container_may_allow_less_than_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": ["MemTotal: 16000000 kB", "MemAvailable: 12000000 kB"],
        "/proc/self/cgroup": ["0::/box"],
        "/sys/fs/cgroup/box/memory.max": ["3000000000"],
        "/sys/fs/cgroup/box/memory.current": ["1500000000"],
        "/sys/fs/cgroup/box/memory.stat": ["anon 500000000", "inactive_file 1000000000"],
        "/sys/fs/cgroup/memory.max": ["max"],
        "/sys/fs/cgroup/memory.current": ["9000000000"],
    }
    monkeypatch.undo()
    monkeypatch.setattr(machine, "read_lines", lambda path: files.get(str(path), []))
    assert cgroup_limits() == [(3_000_000_000, 500_000_000)]
    assert free_memory() == 2_500_000_000


def test_this_machine_has_some_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert free_memory() > 100_000_000
