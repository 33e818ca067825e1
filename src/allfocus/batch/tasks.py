"""Tasks: what is to be done for each stack, and by what it will be known that it was done."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from allfocus.batch.find import TreeStack
from allfocus.jobs.events import JobRequest
from allfocus.options import MACHINE, FusionOptions, plain_options
from allfocus.outputs.wishes import Outputs
from allfocus.sources.stacks import TOGETHER

#: Bytes that are read at once to hash a file.
BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Task:
    """One stack to fuse.

    Attributes:
        name: of its picture below the folder of outputs, without its ending: no two tasks share it.
        request: what the job is asked for; all paths are absolute.
        told_by: what tells its stack from others.
        inputs: every file that it depends on: path, size, time of last change in ns, and hash if it is wanted.
        digest: of the options and outputs.
    """

    name: str
    request: JobRequest
    told_by: str
    inputs: tuple[tuple[str, int, int, str], ...]
    digest: str

    @property
    def frames(self) -> tuple[Path, ...]:
        """The files of the stack."""
        return tuple(self.request.frames)


def make_task(
    stack: TreeStack, outputs: Outputs, out: Path, request: JobRequest, *, hashed: bool = False, stat: bool = True
) -> Task:
    """The task of one stack.

    Args:
        stack: what was found.
        outputs: where its outputs go.
        out: the folder of all outputs.
        request: what is the same for all stacks.
        hashed: whether files are to be known by their content.
        stat: False: files are not looked at; `look_again` does that later.
    """
    frames = tuple(path.absolute() for path in stack.paths)
    asked = TOGETHER if stack.kind == "frames" else request.options.stack
    options = replace(request.options, stack=asked)
    made = replace(request, frames=frames, outputs=outputs, options=absolute_options(options), position=stack.position)
    image = outputs.base
    assert image is not None
    name = image.relative_to(out).as_posix()
    task = Task(name=name, request=made, told_by=stack.told_by, inputs=(), digest=make_digest(made, out))
    return look_again(task, hashed=hashed) if stat else task


def absolute_options(options: FusionOptions) -> FusionOptions:
    """Options whose files are found from any folder."""
    values = {item.name: getattr(options, item.name) for item in fields(options)}
    changes: dict[str, Any] = {name: one.absolute() for name, one in values.items() if isinstance(one, Path)}
    return replace(options, **changes)


def look_again(task: Task, *, hashed: bool = False) -> Task:
    """The task with its files as they are now."""
    files = [*task.request.frames, *task.request.settings]
    return replace(task, inputs=tuple(describe_input(path, hashed) for path in files))


def count_bytes(path: Path) -> int:
    """The size of a file, or of all files in a folder that is one picture."""
    return measure_folder(path)[0] if path.is_dir() else path.stat().st_size


def hash_path(path: Path) -> str:
    """SHA-256 of a file; of a folder that is one picture that of the names and hashes of all its files."""
    if not path.is_dir():
        return hash_file(path)
    found = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        found.update(f"{file.relative_to(path).as_posix()} {hash_file(file)}\n".encode())
    return found.hexdigest()


def describe_input(path: Path, hashed: bool) -> tuple[str, int, int, str]:
    """A file by its size, time and content; one that is gone has size -1."""
    try:
        found = path.stat()
        if path.is_dir():
            return str(path), *measure_folder(path), hash_path(path) if hashed else ""
        return str(path), found.st_size, found.st_mtime_ns, hash_file(path) if hashed else ""
    except OSError:
        return str(path), -1, 0, ""


def measure_folder(folder: Path) -> tuple[int, int]:
    """The size of all files in a folder that is one picture, and the time of the last change."""
    size = newest = 0
    for place, _, names in os.walk(folder):
        for name in names:
            found = os.stat(Path(place) / name)  # noqa: PTH116 (a million times)
            size, newest = size + found.st_size, max(newest, found.st_mtime_ns)
    return size, newest


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_digest(request: JobRequest, out: Path) -> str:
    """What tells requests apart that give other outputs: options but those about time and memory, and outputs."""
    machine = [item.name for item in fields(FusionOptions) if item.metadata["group"] == MACHINE]
    options = {name: value for name, value in plain_options(request.options).items() if name not in machine}
    outputs = {item.name: plain(getattr(request.outputs, item.name), out) for item in fields(Outputs)}
    asked: dict[str, Any] = {
        "options": options,
        "outputs": outputs,
        "slab": request.slab,
        "channel": request.channel_for_focus,
    }
    if request.position is not None:
        asked["position"] = request.position
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def plain(value: Any, out: Path) -> Any:
    """A value that JSON knows; paths as below `out`, so that the folder may be moved."""
    if isinstance(value, tuple):
        return [plain(one, out) for one in value]
    return value.relative_to(out).as_posix() if isinstance(value, Path) else value


def is_same(then: Sequence[Sequence[Any]], now: Sequence[Sequence[Any]]) -> bool:
    """Whether inputs are as they were: by their content where both have hashes, else by size and time."""
    if [one[0] for one in then] != [one[0] for one in now]:
        return False
    pairs = list(zip(then, now, strict=True))
    return all(old[3] == new[3] if old[3] and new[3] else list(old[1:3]) == list(new[1:3]) for old, new in pairs)
