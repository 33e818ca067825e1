"""What this machine has: memory, and limits set on it."""

import os
from pathlib import Path


def free_memory() -> int:
    """Bytes that can be used without pushing out other programs, in this container if it has a limit of its own."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for line in read_lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) * 1024
    return min([free, *(limit - used for limit, used in cgroup_limits())])


def cgroup_limits() -> list[tuple[int, int]]:
    """Limit and use, in bytes, of every control group that this process is in and that has a limit."""
    found = []
    for line in read_lines("/proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        root = Path("/sys/fs/cgroup/memory" if controllers == "memory" else "/sys/fs/cgroup")
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else ("memory.max", "memory.current")
        place = root / path.lstrip("/")
        for group in (place, *place.parents):
            limit, used = (read_lines(group / name) for name in names)
            if limit and used and limit[0].isdigit():
                found.append((int(limit[0]), int(used[0]) - reclaimable(group)))
            if group == root:
                break
    return found


def reclaimable(group: Path) -> int:
    """Bytes of a control group's memory that only cache files and go when they are needed."""
    entries = dict(line.split()[:2] for line in read_lines(group / "memory.stat"))
    return int(entries.get("inactive_file", 0))


def read_lines(path: Path | str) -> list[str]:
    """Lines of a small file of the system's; none where it does not exist."""
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
