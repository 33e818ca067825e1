"""What this machine has: memory, processors, a place for scratch files, and the limits set on it."""

from dataclasses import dataclass, field
from pathlib import Path

from allfocus.run.scratch import scratch_folder
from allfocus.run.workers import cpus


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a plan may count on; by default, what there is.

    Attributes:
        free_memory: bytes that can be used without pushing out other programs.
        processors: how many this process may use.
        scratch: folder for scratch files.
        kept_in_memory: frames and pyramids that take more bytes than this in all are kept in scratch files.
    """

    free_memory: int = field(default_factory=lambda: measure_free_memory())
    processors: int = field(default_factory=cpus)
    scratch: Path = field(default_factory=lambda: scratch_folder())
    kept_in_memory: int = 256_000_000


def measure_free_memory(root: Path = Path("/")) -> int:
    """Bytes that can be used without pushing out other programs, in this container if it has a limit of its own.

    Args:
        root: where the system's files are, see `cgroup_limits`.
    """
    import psutil

    available = int(psutil.virtual_memory().available)
    return min([available, *(limit - used for limit, used in cgroup_limits(root))])


def cgroup_limits(root: Path = Path("/")) -> list[tuple[int, int]]:
    """Limit and use, in bytes, of every control group that this process is in and that has a limit; Linux only.

    Args:
        root: where the system's files are.
    """
    found = []
    for line in read_lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        top = root / ("sys/fs/cgroup/memory" if controllers == "memory" else "sys/fs/cgroup")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        place = top / path.lstrip("/")
        for group in (place, *place.parents):
            limit, used = (read_lines(group / name) for name in names)
            if limit and used and limit[0].isdigit():
                found.append((int(limit[0]), int(used[0]) - reclaimable(group)))
            if group == top:
                break
    return found


def reclaimable(group: Path) -> int:
    """Bytes of a control group's memory that only cache files and go when they are needed."""
    entries = dict(line.split()[:2] for line in read_lines(group / "memory.stat"))
    return int(entries.get("inactive_file", 0))


def read_lines(path: Path) -> list[str]:
    """Lines of a small file of the system's; none where it does not exist."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
