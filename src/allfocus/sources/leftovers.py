"""What lies beside the frames and is none: sidecars, previews, shots stored twice, pictures that allfocus wrote."""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.errors import AllFocusError, ReadError
from allfocus.formats.format import Format
from allfocus.formats.read import read_header
from allfocus.formats.registry import looks_like_frames, recognize
from allfocus.run.install import install_hint
from allfocus.sources.listing import Stamp, stamp
from allfocus.sources.own import recognize_own

#: Endings of what cameras and programs store beside a picture, in lower case, previews and proxies among them.
SIDECARS = (
    ".thm", ".lrv", ".xmp", ".aae", ".pp3", ".dop", ".cos", ".on1", ".nksc", ".wav", ".json", ".xml", ".txt", ".csv",
    ".log", ".ini", ".db", ".md", ".html", ".pdf", ".yml", ".yaml", ".ome",
)  # fmt: skip

#: Names of previews, of which nothing else may be left.
PREVIEW = re.compile(r"(?:^|[-_. (])(?:thumb(?:nail)?s?|preview|small|tn|icon|proxy)(?:$|[-_. )\d])")

#: A preview has at most this share of the sides of the picture that it shows.
SMALL = 0.5

#: Formats in which somebody may store the same shots, those that keep most first.
BEST = ("TIFF", "PNG", "WebP", "HEIC", "AVIF", "JPEG", "BMP")


def leave_out(files: Sequence[Path]) -> tuple[list[Path], list[Note]]:
    """The files to use, in their order, and notes on what was left out.

    Left out are sidecars, previews, what allfocus wrote itself (see `drop_own`), and shots that are stored twice.
    Whatever else is no picture stays, to be reported.
    """
    kept, notes = list(files), list[Note]()
    for step in (drop_sidecars, drop_own, drop_twins, drop_previews, drop_copies):
        before = len(kept)
        kept, more = step(kept)
        if len(kept) < before:  # positions in earlier notes are right no more
            notes = [replace(note, frames=()) for note in notes]
        notes += more
    return kept, notes


def drop_where(
    files: Sequence[Path], is_other: Callable[[Path], bool], code: str, noun: str
) -> tuple[list[Path], list[Note]]:
    """Leave out files of a kind, with a note; nothing where no file would stay."""
    others = {file: None for file in files if is_other(file)}
    if not others or len(others) == len(files):
        return list(files), []
    message = f"{count_noun([*others], noun)} left out{name_one([*others])}"
    return [file for file in files if file not in others], [Note(code=code, message=message)]


def drop_sidecars(files: Sequence[Path]) -> tuple[list[Path], list[Note]]:
    """Leave out what describes pictures: by ending, if it is no picture, and what macOS stores of each file."""

    def is_sidecar(file: Path) -> bool:
        if file.name.startswith("._"):
            return True
        suffix = file.suffix.lower()
        if suffix in (".thm", ".lrv"):
            return True
        with suppress(ReadError):
            is_named_so = suffix in SIDECARS or file.name.startswith(".")
            return is_named_so and file.is_file() and not looks_like_frames(file)
        return False

    return drop_where(files, is_sidecar, "sidecar-left-out", "sidecar")


# --- pictures that allfocus wrote ----------------------------------------------------------------


def drop_own(files: Sequence[Path]) -> tuple[list[Path], list[Note]]:
    """Leave out what allfocus wrote.

    Fused pictures and maps never are frames. Registered frames and slabs are, if there are no others: registered ones
    before slabs, which may lie beside them.
    """
    own = {file: recognize_own(file) for file in files}
    left = [file for file in files if own[file] != "fused"]
    for kind in ("", "aligned", "slab"):
        fitting = [file for file in left if own[file] == kind]
        if fitting:
            left = fitting
            break
    if len(left) == len(files):
        return left, []
    used = set(left)
    dropped = [file for file in files if file not in used]
    message = f"{count_noun(dropped, 'picture')} that allfocus made left out{name_one(dropped)}"
    return left, [Note(code="own-picture-left-out", message=message)]


def protect(files: Sequence[Path]) -> list[Path]:
    """Those of the files that no output may replace: all but what allfocus wrote and does not use."""
    used = set(leave_out(files)[0])
    return [file for file in files if file in used or not recognize_own(file)]


# --- previews ------------------------------------------------------------------------------------


def drop_previews(files: Sequence[Path]) -> tuple[list[Path], list[Note]]:
    """Leave out pictures far smaller than another of the same name, or than the others if their names say so."""
    shots: defaultdict[str, list[Path]] = defaultdict(list)
    for file in files:
        shots[find_shot(file)].append(file)
    named = {file for file in files if PREVIEW.search(file.stem.lower())}
    suspects = {file for shot in shots.values() if len(shot) > 1 for file in shot}
    if not (named or suspects) or len(files) < 2:
        return list(files), []
    large = [find_side(file) for file in files if file not in named][:MOST_MEASURED]
    usual = sorted(large)[len(large) // 2] if large else 0

    def is_preview(file: Path) -> bool:
        if file not in suspects and file not in named:
            return False
        side = find_side(file)
        twins = [find_side(other) for other in shots[find_shot(file)] if other != file] if file in suspects else []
        return 0 < side <= SMALL * max([*twins, usual if file in named else 0])

    return drop_where(files, is_preview, "preview-left-out", "preview")


#: Frames of which the size is looked up to tell what is usual.
MOST_MEASURED = 9


def find_shot(file: Path) -> str:
    """What a file shows by its name: without its ending, and without the word for a preview."""
    stem = PREVIEW.sub("", file.stem.lower()).strip("-_. ()")
    return f"{file.parent}/{stem}"


def find_side(file: Path) -> int:
    """The longer side of a picture; 0 where it can't be read."""
    return read_side(file, stamp(file))


@lru_cache(maxsize=10_000)
def read_side(file: Path, seen: Stamp | None) -> int:
    """`find_side` of a file as it was when it had this stamp."""
    with suppress(AllFocusError):
        return max(read_header(file).frame.size)
    return 0


# --- shots stored twice --------------------------------------------------------------------------


def drop_twins(files: Sequence[Path], has_raw: bool | None = None) -> tuple[list[Path], list[Note]]:
    """Leave out what a camera stored twice under one name: RAW beside JPEG, a short video beside a photo.

    RAW files are taken if they can be read and every shot has one. Beside TIFF or PNG they are not: no camera makes
    these, somebody developed them.

    Args:
        files: those that were named.
        has_raw: whether RAW files can be read; None: find out.

    Returns:
        The files to use, in their order, and notes on what was left out.
    """
    shots: defaultdict[Path, list[tuple[Format | None, Path]]] = defaultdict(list)
    for file in files:
        shots[file.with_suffix("")].append((recognize(file) if file.is_file() else None, file))
    mixed = [shot for shot in shots.values() if not all(is_video(found) for found, _ in shot)]
    clips = [file for shot in mixed for found, file in shot if is_video(found)]
    pairs = [[(found, file) for found, file in shot if file not in clips] for shot in shots.values()]
    pairs = [pair for pair in pairs if {is_raw(found) for found, _ in pair} == {True, False}]
    raws = [found for pair in pairs for found, _ in pair if found is not None and found.is_raw]
    if has_raw is None:
        has_raw = all(found.is_readable() for found in raws)
    takes_raw = has_raw and all(any(is_raw(found) for found, _ in shot) for shot in shots.values())
    takes_raw = takes_raw and all(found is not None and found.by_cameras for pair in pairs for found, _ in pair)
    doubles = [file for pair in pairs for found, file in pair if is_raw(found) != takes_raw]
    kept = [file for file in files if file not in {*clips, *doubles}]
    which = "their RAW files are used" if takes_raw else "their RAW files are left out"
    hint = "" if has_raw or not raws else f"; to use them: {install_hint(raws[0].extra)}"
    return kept, note_twins(kept, clips, doubles, which + hint)


def drop_copies(files: Sequence[Path]) -> tuple[list[Path], list[Note]]:
    """Leave out all but the best format where every shot is stored in the same two or more, such as TIFF and JPEG."""
    shots: defaultdict[Path, dict[str, Path]] = defaultdict(dict)
    for file in files:
        found = recognize(file) if file.is_file() else None
        shots[file.with_suffix("")][found.name if found is not None else ""] = file
    kinds = {frozenset(shot) for shot in shots.values()}
    (first, *others) = kinds or {frozenset[str]()}
    is_complete = sum(map(len, shots.values())) == len(files) and not others
    if len(shots) < 2 or len(first) < 2 or not is_complete or not first <= set(BEST):
        return list(files), []
    best = min(first, key=BEST.index)
    chosen = {shot[best] for shot in shots.values()}
    kept = [file for file in files if file in chosen]
    message = f"{count_noun(kept, 'shot')} stored as {' and '.join(sorted(first))}: the {best} files are used"
    return kept, [Note(code="copies-left-out", message=message)]


def is_raw(found: Format | None) -> bool:
    """Whether a file is RAW."""
    return found is not None and found.is_raw


def is_video(found: Format | None) -> bool:
    """Whether a file is a video."""
    return found is not None and found.contains == "frames"


def note_twins(kept: Sequence[Path], clips: Sequence[Path], doubles: Sequence[Path], which: str) -> list[Note]:
    """What was left out beside the files that are used."""
    notes = []
    if clips:
        message = f"{count_noun(clips, 'video')} beside photos of the same name left out, such as {clips[0].name}"
        notes.append(Note(code="clip-left-out", message=message, frames=find_shots(kept, clips)))
    if doubles:
        message = f"{count_noun(doubles, 'shot')} stored twice, such as {doubles[0].stem}: {which}"
        notes.append(Note(code="raw-twin-dropped", message=message, frames=find_shots(kept, doubles)))
    return notes


def find_shots(kept: Sequence[Path], left_out: Sequence[Path]) -> tuple[int, ...]:
    """Positions of the files that are used of the same shots as those that are left out."""
    shots = {file.with_suffix("") for file in left_out}
    return tuple(position for position, file in enumerate(kept) if file.with_suffix("") in shots)


def count_noun(files: Sequence[Path], noun: str) -> str:
    """How many there are of something."""
    return f"{len(files)} {noun}{'' if len(files) == 1 else 's'}"


def name_one(files: Sequence[Path]) -> str:
    """The file if there is one, or one of them, to end a message with."""
    return f": {files[0].name}" if len(files) == 1 else f", such as {files[0].name}"
