"""What a bug report needs to know of the installation and the machine."""

import platform
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from allfocus.run.install import PACKAGE
from allfocus.run.machine import measure_free_memory
from allfocus.run.workers import cpus

#: Extras that only the development of allfocus needs.
DEVELOPMENT = {"dev", "docs", "release"}
REQUIREMENT = re.compile(r"([\w.-]+)[^;]*(?:;.*extra == ['\"]([\w-]+)['\"])?")


def describe_surroundings() -> list[str]:
    """Lines on Python, system, memory, packages and what computes networks."""
    import psutil

    from allfocus.decision.session import describe_providers

    memory = psutil.virtual_memory()
    installed, missing = packages()
    sizes = [f"{number / 1e9:.1f} GB" for number in (measure_free_memory(), memory.total)]
    lines = [
        f"Python {platform.python_version()}, {platform.python_implementation()}",
        platform.platform(),
        f"processors: {cpus()} of {psutil.cpu_count()}; memory: {sizes[0]} free of {sizes[1]}",
        f"packages: {', '.join(installed)}",
    ]
    return [*lines, *[f"extras not installed: {', '.join(missing)}"] * bool(missing), describe_providers()]


def packages() -> tuple[list[str], list[str]]:
    """The packages that allfocus asks for, with their versions; and, by extra, those that are not there."""
    installed: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    for name, extra in requirements():
        try:
            installed[name] = f"{name} {version(name)}"
        except PackageNotFoundError:
            missing.setdefault(extra, []).append(name)
    by_extra = [f"{extra} ({', '.join(names)})" for extra, names in missing.items()]
    return sorted(installed.values(), key=str.lower), by_extra


def requirements() -> Iterator[tuple[str, str]]:
    """Name and extra (empty: the core) of every package that allfocus asks for; none where it is not installed."""
    try:
        wanted = requires(PACKAGE) or []
    except PackageNotFoundError:
        return
    for line in wanted:
        found = REQUIREMENT.match(line)
        if found and found[2] not in DEVELOPMENT:
            yield found[1], found[2] or ""
