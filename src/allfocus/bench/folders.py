"""Scenes of data sets in folders, as they are handed out: no list of them is needed.

What is understood, at any depth below a folder:

- a folder a frame, files paired by name: `source_1/7.jpg`, `source_2/7.jpg` (MFI-WHU); `imageA/007_A.png`,
  `imageB/007_B.png` (Real-MFF); `near`, `far`; `A`, `B`;
- a flat folder of pairs or triples: `lytro-07-A.jpg`, `lytro-07-B.jpg` (Lytro), `7_1.png`, `7_2.png`;
- a flat folder of numbers, two a scene: `13.jpg`, `14.jpg` (Road-MF), where the pictures themselves say so;
- a folder a scene: `7/image1.png`, `7/image2.png` (MFFW).

The truth is a file, or a folder of files, named truth, GT, ground truth, full clear, all in focus, AIF, clear or
Fusion.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from allfocus.bench.datasets import Scene, read_scenes
from allfocus.errors import ConfigError, printable
from allfocus.run.atomic import real_path
from allfocus.sources.expand import natural_key
from allfocus.sources.scenes import look_alike

#: Endings of pictures in data sets.
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}

#: Words that name a truth, and those that name what is neither truth nor frame.
TRUTH_WORDS = r"gt|truth|ground[-_ ]?truth|full[-_ ]?clear|clear|all[-_ ]?in[-_ ]?focus|aif|fusion"
OTHER_WORDS = (
    r"(?:depth|disp(?:arity)?|index|mask|matte|veil|trimap|decision|result|thumb)(?:[-_ ]?maps?|s)?|focus[-_ ]?maps?"
)
EDGE = r"(?:^|[-_ .]|$)"
TRUTH, OTHER = (re.compile(f"{EDGE}(?:{words}){EDGE}", re.IGNORECASE) for words in (TRUTH_WORDS, OTHER_WORDS))
OTHER_FOLDER = re.compile(OTHER_WORDS, re.IGNORECASE)

#: What tells the frames of one scene apart at the end of a name: a letter, where it is near, or a number after another.
WORDS = "near|far|left|right|fore|back|foreground|background"
LETTER = re.compile(rf"(?P<key>.*?)(?:[-_ ]|(?<=\d))(?P<mark>[a-z]|{WORDS}|{TRUTH_WORDS})", re.IGNORECASE)
NUMBER = re.compile(r"(?P<key>.*\d)[-_ ](?P<mark>\d+)")

#: Names of folders that each hold one frame of every scene; of the others a letter alone may be one.
SOURCE = re.compile(rf"(?:(?:source|image|img|input|src|focus)[-_ ]?(?:[a-d]|\d+)|{WORDS})", re.IGNORECASE)
LETTERS = re.compile("[a-d]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Found:
    """Frames that make one scene, where its name comes from, and the truth if it lies among them."""

    place: Path
    frames: tuple[Path, ...]
    truth: Path | None = None


def find_scenes(path: Path) -> list[Scene]:
    """The scenes of a scenes file, or of a folder: those of the `scenes.json` in it, else see `read_folder`.

    Raises:
        ConfigError: see `datasets.read_scenes` and `read_folder`.
    """
    if not path.is_dir():
        return read_scenes(path)
    listed = path / "scenes.json"
    return read_scenes(listed) if listed.is_file() else read_folder(path)


def read_folder(folder: Path) -> list[Scene]:
    """The scenes of a data set in a folder; they are taken for registered, and for photos.

    Args:
        folder: of one data set, or of several.

    Returns:
        One scene or more, by name; what stands before the first slash of a name is the folder of its data set.

    Raises:
        ConfigError: there is no scene in it, or a scene lacks a frame.
    """
    found = look(folder)
    if not found:
        raise ConfigError(
            f"{folder} holds no scenes; expected a folder a scene, a folder a frame (source_1, source_2), "
            "or pairs such as lytro-01-A.jpg and lytro-01-B.jpg"
        )
    names = [name_scene(each.place, folder) for each in found]
    return [
        Scene(name=name, frames=each.frames, truth=each.truth, note=f"from {folder}")
        for name, each in sorted(zip(names, found, strict=True), key=lambda pair: in_order(pair[0]))
    ]


def name_scene(place: Path, folder: Path) -> str:
    """What a scene below a folder is called: at least the folder that it lies in, and its own name."""
    parts = place.relative_to(folder).parts
    above = real_path(folder).parts
    return printable("/".join((above + parts)[-2:] if len(parts) < 2 else parts))


def in_order(name: str) -> list[object]:
    """Sort key of names of scenes: numbers by their size, folder by folder."""
    return [natural_key(Path(part)) for part in name.split("/")]


def look(folder: Path) -> list[Found]:
    """The scenes in a folder and below it."""
    try:
        inside = sorted((path for path in folder.iterdir() if path.name[0] not in "._"), key=natural_key)
    except OSError as error:
        raise ConfigError(f"{folder} can't be read: {error.strerror}") from error
    pictures = [path for path in inside if path.suffix.lower() in SUFFIXES and path.is_file()]
    above = {real_path(folder), *real_path(folder).parents}
    below = [path for path in inside if path.is_dir() and real_path(path) not in above]  # no link leads in circles
    truths = [path for path in below if TRUTH.search(path.name) and list_pictures(path)]
    others = [path for path in below if path not in truths and not OTHER_FOLDER.fullmatch(path.name)]
    lists = {path: list_frames(path) for path in others}
    sources = [path for path in others if lists[path]]
    found = split(folder, pictures)
    if are_sources([lists[path] for path in sources], [path.name for path in sources]):
        found += pair(folder, {path: lists[path] for path in sources})
    else:
        found += [each for path in others for each in look(path)]
    known: dict[str, Path] = {}
    for path in truths:
        files = {key_of(file): file for file in list_pictures(path)}
        if files.keys() & {each.place.name.lower() for each in found}:
            known |= files
        else:  # a data set whose name begins so
            found += look(path)
    alone = [path for path in pictures if TRUTH.search(path.stem)]
    if len(alone) == 1 and len(found) == 1:
        known[found[0].place.name.lower()] = alone[0]
    return [with_truth(each, known) for each in found]


def with_truth(scene: Found, known: Mapping[str, Path]) -> Found:
    """The scene with the truth of its name, where it had none."""
    truth = scene.truth or known.get(scene.place.name.lower())
    return Found(place=scene.place, frames=scene.frames, truth=truth)


def list_pictures(folder: Path) -> list[Path]:
    """Pictures directly in a folder, in natural order."""
    files = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] not in "._")
    return sorted(files, key=natural_key)


def list_frames(folder: Path) -> list[Path]:
    """Pictures directly in a folder that by their names are frames."""
    return [path for path in list_pictures(folder) if not is_other(path)]


def is_other(path: Path) -> bool:
    """Whether a picture is no frame by its name: a truth, a map, a mask."""
    return bool(TRUTH.search(path.stem) or OTHER.search(path.stem))


def key_of(path: Path) -> str:
    """The name of a picture without what says which frame, or that it is the truth."""
    match = LETTER.fullmatch(path.stem)
    return (match["key"] if match else path.stem).lower()


# --- a folder a frame ----------------------------------------------------------------------------


def are_sources(lists: Sequence[Sequence[Path]], names: Sequence[str]) -> bool:
    """Whether folders hold a frame of every scene each: by their names, or, of single letters, by their content."""
    if len(names) < 2:
        return False
    if all(SOURCE.fullmatch(name) for name in names):
        return True
    if not all(LETTERS.fullmatch(name) for name in names) or len({len(files) for files in lists}) > 1:
        return False
    if any(is_other(path) for files in lists for path in list_pictures(files[0].parent)):
        return False  # a truth lies beside the frames of one scene
    is_one = look_alike(lists[0][0], lists[1][0])
    return is_one and (len(lists[0]) == 1 or not look_alike(lists[0][0], lists[0][1]))


def pair(folder: Path, lists: Mapping[Path, Sequence[Path]]) -> list[Found]:
    """The scenes of folders that hold a frame of each; raises `ConfigError` where one lacks it."""
    scenes: defaultdict[str, dict[Path, Path]] = defaultdict(dict)
    for source, files in lists.items():
        for path in files:
            scenes[key_of(path)][source] = path
    for key, frames in scenes.items():
        for source in lists:
            if source not in frames:
                there = next(iter(frames.values()))
                raise ConfigError(f"{source} holds no frame of scene {key}, as {there} is; add it or leave that out")
    return [Found(place=folder / key, frames=tuple(frames.values())) for key, frames in scenes.items()]


# --- a flat folder -------------------------------------------------------------------------------


def split(folder: Path, pictures: Sequence[Path]) -> list[Found]:
    """The scenes that the pictures of one folder make: by their names, else by their content, else one."""
    frames = [path for path in pictures if not is_other(path)]
    truths = [path for path in pictures if TRUTH.search(path.stem)]
    if len(frames) < 2:
        return []
    groups = group(frames, LETTER) or group(frames, NUMBER) or group_pairs(frames)
    if groups is None or len(groups) == 1:
        truth = truths[0] if len(truths) == 1 else None
        return [Found(place=folder, frames=tuple(frames), truth=truth)]
    known = {key_of(path): path for path in truths}
    return [Found(place=folder / key, frames=tuple(each), truth=known.get(key)) for key, each in groups.items()]


def group(frames: Sequence[Path], mark: re.Pattern[str]) -> dict[str, list[Path]] | None:
    """Frames by their names without the mark of the frame; None unless that gives scenes of two frames and more."""
    groups: defaultdict[str, list[Path]] = defaultdict(list)
    for path in frames:
        match = mark.fullmatch(path.stem)
        if match is None:
            return None
        groups[match["key"].lower()].append(path)
    return dict(groups) if all(len(each) > 1 for each in groups.values()) else None


def group_pairs(frames: Sequence[Path]) -> dict[str, list[Path]] | None:
    """Pictures that are only numbered, two a scene; None unless neighbours are alike just where that says so."""
    if len(frames) < 4 or len(frames) % 2 or not all(path.stem.isdecimal() for path in frames):
        return None
    alike = [look_alike(one, other) for one, other in pairwise(frames)]
    between = alike[1::2]
    if not all(alike[::2]) or 2 * sum(between) >= len(between):
        return None
    return {f"{one.stem}-{other.stem}": [one, other] for one, other in zip(frames[::2], frames[1::2], strict=True)}
