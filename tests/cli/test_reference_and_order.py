"""Which frame is the reference, and which comes first, as typed on the command line."""

import json
from pathlib import Path

import pytest
from PIL import Image

from allfocus import fuse
from allfocus.errors import AlignmentError
from allfocus.io import write_image
from conftest import Cli
from pictures import focal_frames


def test_the_reference_is_named_by_name_or_number(tmp_path: Path, cli: Cli) -> None:
    for k, frame in enumerate(focal_frames(64, 96, 3)):
        write_image(tmp_path / f"img{k}.png", frame)
    base = [
        "fuse",
        "--method",
        "laplacian",
        tmp_path,
        "-o",
        tmp_path / "out.tif",
        "--save-transforms",
        tmp_path / "t.json",
    ]
    for given_as, position in (("img0.png", 0), ("3", 2)):
        assert cli(*base, "--reference", given_as).code == 0
        assert json.loads((tmp_path / "t.json").read_text())["reference"] == position
        (tmp_path / "out.tif").unlink()
    wrong = cli(*base, "--reference", "4")
    assert (wrong.code, wrong.err) == (2, "error: reference 4: expected the name of a frame, or a number from 1 to 3\n")
    words = "reference 7: expected a frame from 1 to 3, by its position counted from 0: 0 to 2"
    for align in ("auto", "none"):
        with pytest.raises(AlignmentError, match=words):
            fuse(focal_frames(64, 96, 3), method="laplacian", align=align, reference=7)


def test_the_picture_has_the_metadata_of_the_reference_when_nothing_is_aligned_too(tmp_path: Path, cli: Cli) -> None:
    for k, frame in enumerate(focal_frames(32, 48, 3)):
        exif = Image.Exif()
        exif[0x010F] = f"camera {k}"
        Image.fromarray(frame).save(tmp_path / f"img{k}.png", exif=exif)
    out = tmp_path / "out.png"
    base = ["fuse", "--method", "laplacian", "--no-align", "--halos", "keep", tmp_path, "-o", out]
    for typed, maker in (
        ([], "camera 1"),
        (["--reference", "1"], "camera 0"),
        (["--reference", "img2.png"], "camera 2"),
    ):
        assert cli(*base, *typed).code == 0
        with Image.open(out) as made:
            assert made.getexif()[0x010F] == maker


@pytest.mark.slow
def test_frames_are_ordered_by_when_they_were_taken(tmp_path: Path, cli: Cli) -> None:
    for k, (name, frame) in enumerate(zip("cab", focal_frames(64, 96, 3), strict=True)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2026:01:02 10:00:0{k}"
        Image.fromarray(frame).save(tmp_path / f"{name}.jpg", quality=98, exif=exif)
    base = ["fuse", "--method", "laplacian", tmp_path, "-o", tmp_path / "o.png", "--index-map", tmp_path / "i.png"]
    outcome = cli(*base, "--order", "time")
    assert outcome.code == 0, outcome.err
    assert "0 = c.jpg, 1 = a.jpg, 2 = b.jpg" in outcome.out
    Image.fromarray(focal_frames(64, 96, 3)[0]).save(tmp_path / "d.jpg")
    for made in ("o.png", "i.png"):
        (tmp_path / made).unlink()
    refused = cli(*base, "--order", "time")
    assert refused.code == 1
    assert "d.jpg does not say when it was taken" in refused.err
