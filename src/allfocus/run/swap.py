"""A new file in the place of an old one, and back: mode, owner and hard links of the old one are kept."""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE


class Swap:
    """One new file or folder, and the place where it is to be.

    Args:
        part: the new file or folder, beside its target.
        target: its place, whether or not there is one; no link.
    """

    def __init__(self, part: Path, target: Path) -> None:
        self.part, self.target = part, target
        self._old: Path | None = None
        self._is_done = self._in_place = self._is_folder = False

    def do(self) -> None:
        """Put the new file there; the old one is kept until `forget`."""
        self._is_folder = self.part.is_dir()
        if self._is_folder and self.target.is_dir():  # a file never takes the place of a folder
            self._old = self.target.with_name(f".{self.target.stem[:40]}.{secrets.token_hex(6)}.old")
            self.target.rename(self._old)
            self._is_done = True  # whatever stands there from here on, the old one goes back over it
            self.part.rename(self.target)
        elif self.target.exists():
            self._in_place = not self._dress()
            old = self.target.with_name(f".{self.target.stem[:40]}.{secrets.token_hex(6)}.old")
            self._keep(old)
        if self._in_place:
            self._is_done = True  # from here on it may be half of either
            overwrite(self.target, self.part)
        elif not self._is_done:
            self.part.replace(self.target)  # in one step, which readers never see half done
            self._is_done = True

    def undo(self) -> str:
        """Put back what was there; returns what stands where if that fails, else nothing."""
        try:
            if self._is_done and self._old is None:
                self._take_away()
            elif self._is_done and self._old is not None:
                if self._in_place:
                    overwrite(self.target, self._old)
                else:
                    if self._is_folder:
                        self._take_away()
                    self._old.replace(self.target)
        except OSError as error:
            kept = "" if self._old is None else f", and its old content in {self._old}"
            return f"{self.target} could not be put back ({error.strerror}): it stands there anew{kept}"
        self.forget()
        return ""

    def forget(self) -> None:
        """Let the old file go."""
        if self._old is not None:
            with suppress(OSError):
                remove(self._old)

    def _take_away(self) -> None:
        """Remove the new file or folder; what somebody else put there meanwhile stays, and fails."""
        if self._is_folder:
            remove(self.target)
        else:
            self.target.unlink(missing_ok=True)

    def _dress(self) -> bool:
        """Give the new file the old one's mode and owner; False where it can't have them, or has other names."""
        there, new = self.target.stat(), self.part.stat()
        if there.st_nlink > 1:
            return False
        try:
            if (there.st_uid, there.st_gid) != (new.st_uid, new.st_gid):
                os.chown(self.part, there.st_uid, there.st_gid)
            self.part.chmod(S_IMODE(there.st_mode))
        except OSError:
            return False
        return True

    def _keep(self, old: Path) -> None:
        """Keep the old file under another name: by a link where it is not written to and the disk knows links."""
        self._old = old
        try:
            if self._in_place:
                shutil.copyfile(self.target, old)
            else:
                old.hardlink_to(self.target)
        except OSError:
            shutil.copyfile(self.target, old)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that it holds; nothing where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def overwrite(target: Path, source: Path) -> None:
    """Give a file that stays where it is the content of another."""
    with source.open("rb") as new, target.open("r+b") as file:
        shutil.copyfileobj(new, file)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
