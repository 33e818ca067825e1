"""What is typed stands for the files that are meant: folders by content, patterns, lists on stdin, no shot twice."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus.errors import BadFramesError, ReadError
from allfocus.formats.registry import recognize
from allfocus.io import find_kind, inspect_stack, list_frames, write_image
from allfocus.run.install import install_hint
from allfocus.sources.leftovers import drop_twins
from conftest import Cli
from pictures import picture, write_pair


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def type_in(monkeypatch: pytest.MonkeyPatch, listed: bytes) -> None:
    """Let stdin hold these bytes."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(listed)))


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_is_looked_at_by_content(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", picture())
    (tmp_path / "a.png").rename(tmp_path / "img2")  # a scanner's file without an ending
    write_image(tmp_path / "b.png", picture())
    (tmp_path / "b.png").rename(tmp_path / "img10.dat")
    (tmp_path / "notes.txt").write_text("focus 1..9")
    (tmp_path / "img1.xmp").write_text("<x/>")
    write_image(tmp_path / "c.png", picture())
    (tmp_path / "c.png").rename(tmp_path / ".hidden.png")
    assert names(list_frames([tmp_path])) == ["img2", "img10.dat"]


def test_a_damaged_picture_in_a_folder_is_named_not_left_out(tmp_path: Path) -> None:
    write_pair(tmp_path)
    (tmp_path / "img3.jpg").write_bytes(bytes(5000))
    with pytest.raises(ReadError, match=r"img3\.jpg is not a picture in a known format"):
        inspect_stack(list_frames([tmp_path]))


@pytest.mark.parametrize(
    ("leads_to", "said"), [("c.png", "leads back to itself"), ("x/y.png", "to x/y.png, which does")]
)
def test_a_link_that_leads_nowhere_is_named_not_left_out(tmp_path: Path, leads_to: str, said: str) -> None:
    write_pair(tmp_path)
    (tmp_path / "c.png").symlink_to(leads_to)
    for given in ([tmp_path], sorted(tmp_path.iterdir())):
        with pytest.raises(ReadError, match=rf"c\.png is a link .*{said}"):
            inspect_stack(list_frames(given))
    (tmp_path / "c.png").rename(tmp_path / "c.txt")
    inspect_stack(list_frames([tmp_path]))


@pytest.mark.parametrize(
    ("start", "suffix", "kind"),
    [
        (b"\xff\xd8\xff\xe1", "", "JPEG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "", "WebP"),
        (b"RIFF\0\0\0\0AVI LIST", "", "video"),
        (b"RIFF\0\0\0\0WAVEfmt ", "", None),
        (b"II*\0\x08\0\0\0", "", "TIFF"),
        (b"II*\0\x10\0\0\0CR\x02\0", ".tif", "TIFF"),
        (b"FUJIFILMCCD-RAW 0201", "", "RAW"),
        (b"IIU\0\x18\0\0\0", "", "RAW"),
        (b"IIRO\x08\0\0\0", "", "RAW"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "", "RAW"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "", "AVIF"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "", "AVIF"),
        (b"\0\0\0\x14ftypqt  \0\0\2\0qt  ", "", "video"),
        (b"\0\0\0\x14ftypisom\0\0\2\0mp41", "", "video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", ".mov", "video"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", ".bin", None),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81", "", "video"),
        (b"BM\x36\0\0\0", "", "BMP"),
        (b"%PDF-1.4", ".jpg", None),
        (b"", ".jpg", None),
    ],
    ids=str,
)
def test_first_bytes_say_what_a_file_is(tmp_path: Path, start: bytes, suffix: str, kind: str | None) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(start)
    found = recognize(path)
    assert (None if found is None else found.name) == kind


@pytest.mark.parametrize("name", ["a.nef", "a.ARW", "a.cr2", "a.dng"])
def test_raw_files_that_look_like_tiff_are_told_by_their_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"II*\0\x08\0\0\0\0\0\0\0\0\0")
    assert find_kind(tmp_path / name) == "RAW"


# --- patterns and stdin --------------------------------------------------------------------------


def test_a_pattern_that_the_shell_left_alone_is_expanded(tmp_path: Path) -> None:
    for name in ("img10.jpg", "img2.jpg", "other.png", ".img3.jpg"):
        (tmp_path / name).touch()
    assert names(list_frames([f"{tmp_path}/img*.jpg"])) == ["img2.jpg", "img10.jpg"]
    assert names(list_frames([tmp_path / "img?.jpg", tmp_path / "other.png"])) == ["img2.jpg", "other.png"]
    with pytest.raises(ReadError, match=r"x\*\.jpg matches no file"):
        list_frames([tmp_path / "x*.jpg"])


def test_a_name_that_looks_like_a_pattern_and_exists_is_a_name(tmp_path: Path) -> None:
    (tmp_path / "img[1].jpg").touch()
    (tmp_path / "img1.jpg").touch()
    assert names(list_frames([tmp_path / "img[1].jpg"])) == ["img[1].jpg"]


def test_patterns_may_match_folders(tmp_path: Path) -> None:
    for folder in ("stack1", "stack2"):
        (tmp_path / folder).mkdir()
        write_image(tmp_path / folder / f"{folder}.png", picture())
    assert names(list_frames([f"{tmp_path}/stack*"])) == ["stack1.png", "stack2.png"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_names_on_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    paths = [tmp_path / name for name in ("img10.jpg", "img 2.jpg", "imgé1.jpg")]
    for path in paths:
        path.touch()
    type_in(monkeypatch, end.join([os.fsencode(path) for path in paths]) + end)
    assert sorted(names(list_frames(["-"]))) == sorted(path.name for path in paths)


def test_names_ended_by_nul_may_hold_line_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "two\nlines.jpg"
    path.touch()
    type_in(monkeypatch, os.fsencode(path) + b"\0")
    assert list_frames(["-"]) == [path]


def test_stdin_without_names_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, b"\n\n")
    with pytest.raises(ReadError, match="stdin names no files"):
        list_frames(["-"])


def test_fuse_reads_names_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
    type_in(monkeypatch, "\n".join(write_pair(tmp_path)).encode())
    outcome = cli("fuse", "-", "--method", "laplacian", "-o", tmp_path / "out.png", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    assert (tmp_path / "out.png").exists()


# --- shots that are there twice ------------------------------------------------------------------

RAW = b"FUJIFILMCCD-RAW 0201FF383501"
CLIP = b"\0\0\0\x14ftypqt  \0\0\2\0qt  "


def shots(folder: Path, *listed: str) -> list[Path]:
    """Files of these names, each with the first bytes of what its ending says."""
    for name in listed:
        if name.endswith("RAF"):
            (folder / name).write_bytes(RAW)
        elif name.endswith("MOV"):
            (folder / name).write_bytes(CLIP)
        else:
            Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(folder / name)
    return list_frames([folder])


def test_raw_is_used_where_every_shot_has_one(tmp_path: Path) -> None:
    files, notes = drop_twins(shots(tmp_path, "a1.JPG", "a1.RAF", "a2.JPG", "a2.RAF"), has_raw=True)
    assert names(files) == ["a1.RAF", "a2.RAF"]
    assert [str(note) for note in notes] == ["2 shots stored twice, such as a1: their RAW files are used"]


def test_without_rawpy_the_jpegs_are_used_and_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    files, notes = drop_twins(shots(tmp_path, "a1.JPG", "a1.RAF", "a2.JPG", "a2.RAF"), has_raw=False)
    assert names(files) == ["a1.JPG", "a2.JPG"]
    assert "RAW files are left out" in str(notes[0]) and install_hint("raw") in str(notes[0])


@pytest.mark.parametrize("others", [["a2.JPG"], ["a2.JPG", "a3.JPG", "a3.RAF"]])
def test_raw_of_some_shots_only_is_left_out(tmp_path: Path, others: list[str]) -> None:
    files, _ = drop_twins(shots(tmp_path, "a1.JPG", "a1.RAF", *others), has_raw=True)
    assert all(name.endswith("JPG") for name in names(files))


def test_what_somebody_developed_wins_over_raw(tmp_path: Path) -> None:
    files, notes = drop_twins(shots(tmp_path, "a1.tif", "a1.RAF", "a2.tif", "a2.RAF"), has_raw=True)
    assert names(files) == ["a1.tif", "a2.tif"]
    assert "RAW files are left out" in str(notes[0])


def test_the_short_video_beside_a_photo_is_left_out(tmp_path: Path) -> None:
    files, notes = drop_twins(shots(tmp_path, "a1.JPG", "a1.MOV", "a2.JPG", "a2.MOV"))
    assert names(files) == ["a1.JPG", "a2.JPG"]
    assert [str(note) for note in notes] == ["2 videos beside photos of the same name left out, such as a1.MOV"]


def test_a_video_among_photos_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"sweep\.MOV is a video; give it alone"):
        inspect_stack(shots(tmp_path, "a1.JPG", "a2.JPG", "sweep.MOV"))


def test_equal_names_in_different_folders_are_different_shots(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    paths = [tmp_path / "one" / "a.JPG", tmp_path / "two" / "a.RAF"]
    paths[0].touch()
    paths[1].write_bytes(RAW)
    assert drop_twins(paths) == (paths, [])


def test_a_listing_says_what_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    listing = inspect_stack(shots(tmp_path, "a1.JPG", "a1.RAF", "a2.JPG", "a2.RAF"))
    assert list(listing.names) == ["a1.JPG", "a2.JPG"]
    assert "stored twice" in str(listing.notes[0])


def test_two_videos_of_one_name_are_both_named(tmp_path: Path) -> None:
    for name in ("a.MOV", "a.mp4"):
        (tmp_path / name).write_bytes(CLIP)
    with pytest.raises(BadFramesError) as caught:
        inspect_stack(list_frames([tmp_path]))
    assert "a.MOV is a video; give it alone" in str(caught.value)
    assert "a.mp4 is a video; give it alone" in str(caught.value)
