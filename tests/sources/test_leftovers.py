"""What lies beside the frames is left out, with a note: what allfocus wrote, previews, sidecars, shots stored twice."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from allfocus import Outputs, fuse, save
from allfocus.errors import StackError
from allfocus.io import Metadata, finish_metadata, inspect_stack, list_frames, write_image
from allfocus.metadata.carry import sign_map
from allfocus.outputs.wishes import NAMED
from allfocus.sources.leftovers import leave_out, protect
from allfocus.sources.own import recognize_own
from conftest import Cli
from pictures import focal_frames, picture, write_pair

LAPLACIAN = ("--method", "laplacian", "--halos", "keep")


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def write_frames(folder: Path, suffix: str = ".jpg", count: int = 3) -> None:
    folder.mkdir(exist_ok=True)
    for k, frame in enumerate(focal_frames(48, 64, count)):
        write_image(folder / f"f{k}{suffix}", frame)


# --- what allfocus wrote -------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg", ".ome.tif"])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_what_is_signed_is_known_in_every_format(tmp_path: Path, suffix: str, depth: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, picture(dtype=depth), finish_metadata(Metadata(), frames=5, size=(32, 48)))
    assert recognize_own(path) == "fused"
    write_image(path, picture(gray=True, dtype=depth), sign_map("index map", (32, 48)))
    assert recognize_own(path) == "fused"
    write_image(path, picture(dtype=depth))  # a program's own frames, written by means of allfocus
    assert recognize_own(path) == ""


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "in"
    write_frames(folder)
    typed = ("fuse", f"{folder}/*", "-o", folder / "sharp.jpg", "--outputs", "image,index,confidence", "--slab", "2:1")
    first = cli(*typed, *LAPLACIAN)
    written = {path: path.read_bytes() for path in folder.iterdir()}
    second = cli(*typed, *LAPLACIAN)
    assert (first.code, second.code) == (0, 0), second.err
    assert "3 frames" in second.out
    assert "note: 5 pictures that allfocus made left out, such as sharp.jpg" in second.out
    assert {path: path.read_bytes() for path in folder.iterdir()} == written
    assert cli("fuse", folder, *LAPLACIAN).code == cli("fuse", folder, *LAPLACIAN).code == 0
    assert (tmp_path / "in.fused.jpg").exists()


def test_all_that_save_writes_is_signed(tmp_path: Path) -> None:
    write_frames(tmp_path / "in")
    result = fuse(tmp_path / "in", method="laplacian")
    save(result, tmp_path / "a.tif", index_map=tmp_path / "i.png", confidence=tmp_path / "c.tif")
    assert all(recognize_own(path) == "fused" for path in list_frames([tmp_path]))
    assert set(NAMED.values()) <= set(Outputs.__dataclass_fields__)


def test_nothing_but_own_pictures_is_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_image(tmp_path / name, picture(), finish_metadata(Metadata(), frames=5, size=(32, 48)))
    with pytest.raises(
        StackError, match=r"no frames given; .*\(2 pictures that allfocus made left out, such as a\.png\)"
    ):
        inspect_stack(tmp_path)


@pytest.mark.slow
def test_registered_frames_are_frames_where_they_are_alone(tmp_path: Path, cli: Cli) -> None:
    write_frames(tmp_path / "in")
    assert cli("align", tmp_path / "in", "-o", tmp_path / "aligned").code == 0
    assert len(inspect_stack(tmp_path / "aligned")) == 3
    for _ in range(2):
        assert cli("align", tmp_path / "in", "-o", tmp_path / "in").code == 0
    listing = inspect_stack(tmp_path / "in")
    assert [Path(name).suffix for name in listing.names] == [".jpg"] * 3
    assert str(listing.notes[0]) == "3 pictures that allfocus made left out, such as f0.tif"


@pytest.mark.slow
def test_slabs_are_frames_where_they_are_alone(tmp_path: Path, cli: Cli) -> None:
    write_frames(tmp_path / "in", count=4)
    assert cli("fuse", tmp_path / "in", "-o", tmp_path / "sharp.tif", "--slab", "2:1", *LAPLACIAN).code == 0
    assert names(list(inspect_stack(tmp_path).paths)) == ["sharp_slab01.tif", "sharp_slab02.tif", "sharp_slab03.tif"]


def test_an_output_may_replace_a_result_and_no_frame(tmp_path: Path, cli: Cli) -> None:
    near, far = write_pair(tmp_path)
    write_image(tmp_path / "old.png", picture(), finish_metadata(Metadata(), frames=2, size=(32, 48)))
    assert names(protect(list_frames([tmp_path]))) == ["img2.png", "img10.png"]
    assert cli("fuse", tmp_path, "-o", tmp_path / "old.png", *LAPLACIAN).code == 0
    assert "is one of the frames" in cli("fuse", tmp_path, "-o", near, *LAPLACIAN).err
    assert Path(far).exists()


# --- previews and sidecars -----------------------------------------------------------------------


def save_small(path: Path, side: int = 24, kind: str | None = None) -> None:
    Image.fromarray(picture(side * 2 // 3, side)).save(path, kind)


@pytest.mark.parametrize(
    "name", ["f0.THM", "f0.png", "thumb_f1.jpg", "f1_thumb.jpg", "f1-preview.png", "preview.jpg", "f2 (small).jpg"]
)
def test_previews_are_left_out(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path)
    save_small(tmp_path / name, kind="JPEG" if name.endswith(("THM", "jpg")) else "PNG")
    listing = inspect_stack(tmp_path)
    assert list(listing.names) == ["f0.jpg", "f1.jpg", "f2.jpg"]
    assert name in str(listing.notes[0])


def test_a_preview_of_every_frame_is_left_out(tmp_path: Path) -> None:
    write_frames(tmp_path)
    for k in range(3):
        save_small(tmp_path / f"f{k}.THM", kind="JPEG")
    assert len(inspect_stack(tmp_path)) == 3


@pytest.mark.parametrize("name", ["preview.jpg", "thumb_1.jpg"])
def test_a_frame_that_is_only_called_so_stays(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path)
    Image.fromarray(picture(48, 64)).save(tmp_path / name)
    assert name in inspect_stack(tmp_path).names


def test_a_small_frame_of_another_name_is_reported(tmp_path: Path) -> None:
    write_frames(tmp_path)
    save_small(tmp_path / "f3.jpg")
    with pytest.raises(StackError, match="24x16; the stack is 64x48"):
        inspect_stack(tmp_path)


def test_sidecars_that_a_pattern_matches_are_left_out(tmp_path: Path) -> None:
    write_frames(tmp_path)
    for name in ("f0.xmp", "f0.json", "Thumbs.db", "notes.txt", "._f0.jpg", ".DS_Store"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    kept, notes = leave_out(sorted(tmp_path.iterdir()))
    assert names(kept) == ["f0.jpg", "f1.jpg", "f2.jpg"]
    assert "6 sidecars left out" in str(notes[0])


def test_a_damaged_frame_is_no_sidecar(tmp_path: Path) -> None:
    write_frames(tmp_path)
    (tmp_path / "f3.jpg").write_bytes(b"nothing")
    (tmp_path / "f4").write_bytes(b"nothing")
    assert {"f3.jpg", "f4"} <= set(names(leave_out(sorted(tmp_path.iterdir()))[0]))


def test_shots_in_two_formats_are_taken_once(tmp_path: Path) -> None:
    write_frames(tmp_path, ".jpg")
    write_frames(tmp_path, ".tif")
    listing = inspect_stack(tmp_path)
    assert list(listing.names) == ["f0.tif", "f1.tif", "f2.tif"]
    assert str(listing.notes[0]) == "3 shots stored as JPEG and TIFF: the TIFF files are used"
    (tmp_path / "f1.jpg").unlink()  # now nobody can tell what is meant
    assert len(inspect_stack(tmp_path)) == 5


def test_a_frame_that_changes_is_noticed(tmp_path: Path, cli: Cli) -> None:
    write_frames(tmp_path, ".png")
    listing = inspect_stack(tmp_path)
    write_image(tmp_path / "f1.png", np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(OSError, match=r"f1\.png has changed since it was looked at"):
        fuse(listing, method="laplacian")
    (tmp_path / "f1.png").unlink()
    with pytest.raises(OSError, match=r"f1\.png is gone since it was looked at"):
        fuse(listing, method="laplacian")
