"""The shelf: what a page may open: folders below the roots, recent projects, and files that were dropped on it."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio.to_thread
from platformdirs import user_state_path

from allfocus.errors import AllFocusError, OptionError, ReadError, WriteError
from allfocus.formats.registry import looks_like_frames
from allfocus.jobs.project import SUFFIX
from allfocus.run.atomic import write_file
from allfocus.sources.expand import natural_key

#: How many recent projects are known, and how many entries of a folder are listed.
RECENT, LISTED = 12, 2000
#: Uploads of one session: files, bytes of one, bytes of all, and bytes that stay free on the disk.
MOST_FILES, MOST_EACH, MOST_ALL, LEFT_FREE = 2_000, 4_000_000_000, 20_000_000_000, 500_000_000
#: Longest name of a dropped file, in bytes.
LONGEST = 200


def default_roots() -> list[Path]:
    """Folders below which a page may open files if nobody says so: the user's, the current one, and other disks."""
    others = [Path("/media"), Path("/mnt"), Path("/run/media"), Path("/Volumes")]
    found = [Path.home(), Path.cwd(), *(path for path in others if path.is_dir())]
    return [path for path in found if path != Path(path.anchor)]


class Shelf:
    """What can be opened.

    Args:
        roots: nothing outside of these is listed or opened.
        state: where recent projects are written down; by default where the system keeps such things.
    """

    def __init__(self, roots: Sequence[Path], state: Path | None = None) -> None:
        self.roots = list(dict.fromkeys(path.resolve() for path in roots))
        self._state = state or user_state_path("allfocus", appauthor=False) / "recent.json"
        self._dropped: Path | None = None
        self._files, self._bytes = 0, 0

    def admit(self, folder: Path) -> None:
        """Let pages open what lies below a folder too: that of a stack which was given on the command line."""
        folder = folder.resolve()
        if folder != Path(folder.anchor) and not any(folder.is_relative_to(root) for root in self.roots):
            self.roots.append(folder)

    def find(self, typed: str) -> Path:
        """The file or folder that a page names, links followed.

        Raises:
            OptionError: it lies outside of the roots.
            ReadError: there is no such file or folder.
        """
        try:
            path = Path(typed).resolve()
            is_there = path.exists()
        except (OSError, ValueError, RuntimeError) as error:
            why = getattr(error, "strerror", None) or error
            raise ReadError(f"{typed!r} can't be opened: {why}; choose another file or folder") from None
        if not typed or not any(path.is_relative_to(root) for root in self.roots):
            where = ", ".join(str(root) for root in self.roots)
            raise OptionError(f"{typed}: the page opens files below {where} only; add a folder with --root")
        if not is_there:
            raise ReadError(f"{path} does not exist; expected a folder, a picture or a project")
        return path

    def look(self, typed: str) -> dict[str, Any]:
        """What is in a folder, for the page: folders, projects, and files that may hold frames; the roots for none.

        Raises:
            OptionError, ReadError: as `find`, or the folder can't be listed.
        """
        if not typed:
            roots = [root for root in self.roots if root.is_dir() and root != self._dropped]
            rows = [{"name": str(root), "path": str(root)} for root in roots]
            return {"folder": "", "up": None, "folders": rows, "files": [], "pictures": 0}
        folder = self.find(typed)
        try:
            inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
        except NotADirectoryError:
            raise ReadError(f"{folder} is a file; expected a folder") from None
        except OSError as error:
            raise ReadError(f"{folder} can't be listed: {error.strerror}; choose another folder") from None
        inside.sort(key=natural_key)
        folders = [path for path in inside if path.is_dir()][:LISTED]
        files = [path for path in inside if path.is_file()][:LISTED]
        projects = [path for path in files if path.name.endswith(SUFFIX)]
        pictures = [path for path in files if path not in projects and is_frame(path)]
        is_root = folder in self.roots
        return {
            "folder": str(folder),
            "up": "" if is_root else str(folder.parent),
            "folders": [{"name": path.name, "path": str(path)} for path in folders],
            "files": [{"name": path.name, "path": str(path)} for path in [*projects, *pictures]],
            "pictures": len(pictures),
        }

    # --- recent projects -----------------------------------------------------------------------------

    def recent(self) -> list[dict[str, str]]:
        """Projects that were open lately and are still there, the latest first."""
        try:
            known = json.loads(self._state.read_text(encoding="utf-8"))
            paths = [Path(str(one)) for one in known][:RECENT]
        except (OSError, ValueError, TypeError):
            return []
        there = [path for path in paths if path.is_file() and self._is_allowed(path)]
        return [
            {"name": path.name.removesuffix(SUFFIX), "path": str(path), "folder": str(path.parent)} for path in there
        ]

    def _is_allowed(self, path: Path) -> bool:
        try:
            return bool(self.find(str(path)))
        except AllFocusError:
            return False

    def remember(self, project: Path) -> None:
        """Put a project to the front of the recent ones; that they can't be written down is no reason to stop."""
        path = str(project.resolve())
        if self._dropped is not None and project.resolve().is_relative_to(self._dropped):
            return  # gone with the session
        others = [one["path"] for one in self.recent() if one["path"] != path]
        try:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            write_file(self._state, json.dumps([path, *others][:RECENT], indent=1))
        except (OSError, AllFocusError):
            return

    # --- dropped files -------------------------------------------------------------------------------

    async def take(self, batch: str, folder: str, name: str, parts: AsyncIterator[bytes]) -> Path:
        """Keep a file that was dropped on the page, with others of a batch, until the server ends; returns its folder.

        Raises:
            OptionError: a name that is none, or more than is taken.
            WriteError: it can't be written; no part of it is left behind.
        """
        for text in (batch, folder, name):
            check_name(text)
        if self._files >= MOST_FILES:
            raise OptionError(f"{name}: {MOST_FILES} files were dropped already; open a folder instead")
        place = self.dropped / batch / folder
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, written = place / name, 0
        if path.exists():
            raise OptionError(f"{name} was dropped twice; name every frame once")
        self._files += 1
        part = path.with_name(f".{name}.part")
        try:
            with part.open("xb") as file:
                async for piece in parts:
                    written += len(piece)
                    self._bytes += len(piece)
                    is_too_much = self._bytes > MOST_ALL or self._is_disk_full(len(piece))
                    check_length(name, MOST_EACH + 1 if is_too_much else written)
                    await anyio.to_thread.run_sync(file.write, piece)
            part.replace(path)
        except BaseException as error:
            part.unlink(missing_ok=True)
            self._files, self._bytes = self._files - 1, self._bytes - written
            if isinstance(error, OSError):
                raise WriteError(f"{name} can't be kept: {error.strerror}; make room, or open a folder") from None
            raise
        return place

    def _is_disk_full(self, more: int) -> bool:
        return shutil.disk_usage(self.dropped).free - more < LEFT_FREE

    @property
    def dropped(self) -> Path:
        """The session's folder for dropped files, for this user's eyes only."""
        if self._dropped is None:
            self._dropped = Path(tempfile.mkdtemp(prefix="allfocus-studio-")).resolve()
            self.roots.append(self._dropped)
        return self._dropped

    def shorten(self, text: str) -> str:
        """A message without the session's folder, which nobody has heard of."""
        return (
            text if self._dropped is None else re.sub(re.escape(f"{self._dropped}{os.sep}") + r"[^/\\]+[/\\]", "", text)
        )

    def clear(self) -> None:
        """Remove what was dropped."""
        if self._dropped is not None:
            shutil.rmtree(self._dropped, ignore_errors=True)


def is_frame(path: Path) -> bool:
    """Whether a file may hold frames; one that can't be read holds none."""
    try:
        return os.access(path, os.R_OK) and looks_like_frames(path)
    except (OSError, AllFocusError):
        return False


def check_length(name: str, length: int) -> None:
    """Raise `OptionError` where a dropped file has more bytes than are taken."""
    if length > MOST_EACH:
        raise OptionError(
            f"{name}: dropped files may have {MOST_EACH / 1e9:g} GB each and {MOST_ALL / 1e9:g} GB in all, and must "
            "leave room on the disk; open a folder instead"
        )


def check_name(name: str) -> None:
    """Raise `OptionError` unless a text names a file in a folder, and nothing else."""
    is_plain = name == Path(name).name and "\\" not in name and not name.startswith(".") and name.isprintable()
    if not name or not is_plain or len(name.encode()) > LONGEST:
        raise OptionError(f"{name[:60]!r} is no name of a file; expected one without slashes, not hidden, and shorter")
