"""What only some systems have is asked for before it is used: Windows, by taking away what it lacks."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from allfocus.io import write_image
from pictures import focal_frames
from trees import ROOT, trees

#: Modules that Windows lacks.
UNIX_MODULES = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "readline", "posix"}

#: What Windows lacks of modules that it has.
UNIX_NAMES = {
    "os": "chown fchown fchmod pread pwrite posix_fallocate sched_getaffinity statvfs getuid geteuid fork "
    "mkfifo killpg getpgid setsid nice getloadavg uname",
    "signal": "pthread_sigmask pthread_kill sigwait SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGALRM SIGPIPE SIGCHLD",
    "mmap": "MADV_DONTNEED MADV_SEQUENTIAL",
}

PRELUDE = """
import sys
# what is not of allfocus may use what this system has, as it would there what Windows has
import cv2, numpy, onnxruntime, PIL.Image, psutil, subprocess, tempfile, shutil, tifffile, typer, platform
platform.platform(); psutil.virtual_memory(); psutil.cpu_count()
import mmap, os, signal
taken = {names}
for module, words in taken.items():
    for word in words.split():
        if hasattr(sys.modules[module], word):
            delattr(sys.modules[module], word)

import fcntl  # of this system, to play the other one: there an open file can't be removed or renamed

def refuse_open(do):
    def done(*paths, **options):
        opened = [os.path.realpath(f"/proc/self/fd/{{number}}") for number in os.listdir("/proc/self/fd")]
        if any(os.path.realpath(path) in (*opened, LOCKED) for path in paths if os.path.exists(path)):
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        return do(*paths, **options)
    return done

LOCKED = os.path.realpath(os.environ.get("LOCKED", "/nothing"))
for word in ("remove", "unlink", "rename", "replace"):
    setattr(os, word, refuse_open(getattr(os, word)))

def fsync(number, do=os.fsync):
    if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(9, "Bad file descriptor")  # only what may be written to is flushed there
    do(number)

os.fsync = fsync
from allfocus.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_no_module_needs_what_only_unix_has() -> None:
    found = []
    for path, tree in trees().items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            found += [f"{path.name}: {name}" for name in names if name.partition(".")[0] in UNIX_MODULES]
    assert not found


def test_files_are_opened_with_their_encoding() -> None:
    """Elsewhere than on Unix text is not UTF-8 by itself."""
    found = []
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                words = {word.arg for word in node.keywords}
                content = int(node.func.attr == "write_text")  # a package's `read_text(name)` is another one
                if (
                    node.func.attr in ("read_text", "write_text")
                    and len(node.args) == content
                    and "encoding" not in words
                ):
                    found.append(f"{path.name}:{node.lineno}")
    assert not found


def as_on_windows(folder: Path, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process that lacks what Windows lacks, and can't do what can't be done there."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE.format(names=UNIX_NAMES), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **given},
    )


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """A folder of two frames."""
    (tmp_path / "stack").mkdir()
    for number, frame in enumerate(focal_frames(64, 72, 2)):
        write_image(tmp_path / "stack" / f"f{number}.tif", frame)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["fuse", "stack", "-o", "sharp.tif", "--max-memory", "600MB", "--spool", ".", "--depth", "depth.tif"],
        ["--version", "--verbose"],
    ],
)
def test_commands_do_without_what_windows_lacks(arguments: list[str], stack: Path) -> None:
    for _ in range(2):  # the second time over what the first wrote
        done = as_on_windows(stack, *arguments)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    assert not [path.name for path in stack.iterdir() if path.suffix in (".part", ".old")]


@pytest.mark.slow
def test_a_picture_that_another_program_has_open_stays_and_is_named(stack: Path) -> None:
    (stack / "sharp.tif").write_bytes(b"shown by a viewer")
    done = as_on_windows(stack, "fuse", "stack", "-o", "sharp.tif", "--method", "laplacian", "-q", LOCKED="sharp.tif")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "sharp.tif" in done.stderr
    assert "used by another process" in done.stderr
    assert (stack / "sharp.tif").read_bytes() == b"shown by a viewer"
    assert sorted(path.name for path in stack.iterdir()) == ["sharp.tif", "stack"]


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("con", "_con"),
        ("Aux.tif", "_Aux.tif"),
        ("LPT1", "_LPT1"),
        ("console", "console"),
        ("a:b?", "a_b_"),
        ("ends with a dot. ", "ends with a dot"),
        ("x" * 149 + ". more", "x" * 149),
        ("...", "stack"),
    ],
)
def test_names_of_pictures_are_names_on_windows_too(name: str, cleaned: str) -> None:
    from allfocus.batch.labels import clean

    assert clean(name) == cleaned
