"""The report of a fusion: facts that can be checked, in JSON, and on a page that needs nothing beside it."""

import hashlib
import json
import re
from base64 import b64decode
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

import allfocus
from allfocus.alignment import Alignment
from allfocus.alignment.motion import make_motion, to_pixels
from allfocus.alignment.photometric import ExposureTransfer
from allfocus.core.color import Array, luma
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.decision.model import SHIPPED
from allfocus.errors import ReadError
from allfocus.io import Listing, inspect_stack, read_frame, srgb_profile, write_image
from allfocus.outputs.report import dump, provenance, render_page, report_page
from allfocus.outputs.report.provenance import motion_at, shares
from allfocus.outputs.report.thumbnails import (
    MAP_BYTES,
    MAP_SIDE,
    PICTURE_BYTES,
    PICTURE_SIDE,
    coloured,
    display_gain,
    figure,
    photo,
    picked,
)
from allfocus.pipeline import FusionOptions, fuse
from allfocus.result import FusionResult, QualityMasks
from pictures import focal_frames, picture

EVIL = "<img src=x onerror=1>"
LAPLACIAN = FusionOptions(method="laplacian", align="none")
OUTPUTS = {"fused picture": Path("out/sharp.png"), "index map": Path("out/index.png")}

#: Elements that have no end tag.
VOID = {"meta", "img", "input", "br", "link", "hr"}


@dataclass
class Page(HTMLParser):
    """What a page consists of; counts the tags that are not closed, or closed out of turn."""

    html: str
    open: list[str] = field(default_factory=list)
    images: list[dict[str, str]] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: str = ""
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag == "img":
            self.images.append(found)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words += data

    def shown(self, kind: str) -> Image.Image:
        """The picture of a class, out of its data."""
        (found,) = [image for image in self.images if image["class"] == kind]
        head, data = found["src"].split(",", 1)
        assert head == "data:image/webp;base64"
        shown = Image.open(BytesIO(b64decode(data, validate=True)))
        assert (str(shown.width), str(shown.height)) == (found["width"], found["height"])
        return shown


def write_frames(folder: Path, frames: list[Array], stem: str = "img") -> Listing:
    paths = [folder / f"{stem}{k}.png" for k in range(1, len(frames) + 1)]
    for path, frame in zip(paths, frames, strict=True):
        write_image(path, frame)
    return inspect_stack(paths)


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    return write_frames(tmp_path, focal_frames(60, 90, 3))


@pytest.fixture
def fused(listing: Listing) -> FusionResult:
    return fuse(listing, options=LAPLACIAN)


def aligned(listing: Listing, *, depth: bool = False) -> FusionResult:
    """What a fusion might give that moved frame 1, left out frame 3 and found the picture wanting."""
    height, width = 50, 80
    index_map = np.zeros((height, width), np.uint16)
    index_map[:, 20:] = 1
    unsharp = np.zeros((height, width), bool)
    unsharp[:, :8] = True
    matrix = to_pixels(make_motion([0.02, -0.01, np.radians(1.5), np.log(1.03)]), listing.frame.size)
    return FusionResult(
        image=read_frame(listing, 1)[6:56, 4:84],
        index_map=index_map,
        confidence=np.full((height, width), 0.75, np.float32),
        names=tuple(listing.names),
        method="network",
        depth=index_map.astype(np.float32) if depth else None,
        quality=QualityMasks(out_of_focus=unsharp, veiled=~unsharp, gap=(0, 1)),
        alignment=Alignment(
            model="similarity",
            reference=1,
            matrices=np.stack([matrix, np.eye(3), np.eye(3)]),
            exposures=[ExposureTransfer(gain=(1.25, 1.0, 0.5), offset=0.01), ExposureTransfer(), ExposureTransfer()],
            residuals=[float("nan"), 0.125, float("nan")],
            left_out={2: f"it is {EVIL}"},
        ),
        window=(slice(6, 56), slice(4, 84)),
        is_cropped=True,
        notes=(Note(code="test", message="a note with <b>tags</b> & more"),),
        source=listing,
    )


def page_of(result: FusionResult, options: FusionOptions = LAPLACIAN) -> Page:
    return Page(report_page(result, options, OUTPUTS, 2.5))


# Provenance


def test_json_says_what_went_in_and_comes_back_as_it_was(listing: Listing, fused: FusionResult) -> None:
    found = provenance(fused, LAPLACIAN, OUTPUTS, 1.5, [Note(code="more", message="a line", frames=(2,))])
    assert json.loads(dump(found)) == found
    assert found["allfocus"] == allfocus.__version__
    assert found["versions"]["numpy"] == np.__version__
    assert {"python", "opencv", "onnxruntime", "tifffile", "Pillow", "platform"} <= set(found["versions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found["time"])
    assert found["options"]["method"] == "laplacian"
    assert set(found["options"]) == set(FusionOptions.__dataclass_fields__)
    assert found["model"] is None
    assert found["stack"] | {"frames": 3, "width": 90, "height": 60, "samples": "uint8"} == found["stack"]
    assert found["outputs"][0] == {"shows": "fused picture", "path": "out/sharp.png"}
    assert found["format"] == "allfocus report 2"
    assert found["notes"][-1] == {"code": "more", "message": "a line", "frames": [2]}


def test_files_are_named_by_their_hashes(listing: Listing, fused: FusionResult) -> None:
    found = provenance(fused, LAPLACIAN, OUTPUTS, 1.0)
    for entry, path in zip(found["inputs"], listing.paths, strict=True):
        data = path.read_bytes()
        assert entry == {
            "name": path.name,
            "path": str(path),
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    assert [frame["input"] for frame in found["frames"]] == [0, 1, 2]


def test_a_file_of_several_pages_is_one_input(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(focal_frames(40, 50, 4, gray=True)), photometric="minisblack")
    listing = inspect_stack([path])
    found = provenance(fuse(listing, options=LAPLACIAN), LAPLACIAN, OUTPUTS, 1.0)
    assert [entry["sha256"] for entry in found["inputs"]] == [hashlib.sha256(path.read_bytes()).hexdigest()]
    assert [frame["input"] for frame in found["frames"]] == [0] * 4


@pytest.mark.slow
def test_the_network_is_named_by_its_card_and_its_hash(listing: Listing, tiny_model: Path) -> None:
    result = aligned(listing)
    mine = provenance(result, FusionOptions(model=tiny_model), OUTPUTS, 1.0)
    assert mine["model"]["name"] == "tiny"
    assert mine["model"]["path"] == mine["options"]["model"] == str(tiny_model)
    assert mine["model"]["sha256"] == hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    shipped = provenance(result, FusionOptions(), OUTPUTS, 1.0)["model"]
    assert shipped["path"] is None
    assert shipped["sha256"] == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()


def test_shares_are_counted_and_sum_to_one(listing: Listing, fused: FusionResult) -> None:
    taken = [frame["share"] for frame in provenance(fused, LAPLACIAN, OUTPUTS, 1.0)["frames"]]
    assert sum(taken) == pytest.approx(1)
    assert taken == [pytest.approx(np.mean(fused.index_map == k)) for k in range(3)]
    tall = np.random.default_rng(0).integers(0, 5, (700, 3)).astype(np.uint16)
    np.testing.assert_allclose(shares(tall, 7), np.bincount(tall.ravel(), minlength=7) / tall.size)


def test_alignment_is_told_frame_by_frame_and_unknown_numbers_are_null(listing: Listing) -> None:
    found = json.loads(dump(provenance(aligned(listing), FusionOptions(), OUTPUTS, float("0.5"))))
    first, reference, last = found["frames"]
    assert found["alignment"] == {"model": "similarity", "reference": 1, "order": None}
    assert found["area"] == {"top": 6, "left": 4, "height": 50, "width": 80, "is_cropped": True}
    assert first["gain"] == [1.25, 1.0, 0.5]
    assert first["offset"] == 0.01
    assert first["residual"] is None
    assert reference["residual"] == 0.125
    assert reference["matrix"] == np.eye(3).tolist()
    assert last["left_out"] == f"it is {EVIL}"
    assert first["left_out"] is None
    assert found["quality"] == {"out_of_focus": pytest.approx(0.1), "veiled": pytest.approx(0.9), "gap": [0, 1]}
    assert [note["code"] for note in found["notes"]] == ["test", "out-of-focus", "veiled"]
    assert found["notes"][1]["frames"] == [0, 1]


@pytest.mark.parametrize(("degrees", "growth"), [(1.5, 1.03), (-4.0, 0.9), (0.0, 1.0)])
def test_motions_are_told_as_shift_scale_and_rotation(degrees: float, growth: float) -> None:
    size = (300, 400)
    turned = to_pixels(make_motion([0, 0, np.radians(degrees), np.log(growth)]), size)
    shift = np.array([[1, 0, 7.5], [0, 1, -3.25], [0, 0, 1]])
    found = motion_at(shift @ turned, size)
    assert found["shift"] == pytest.approx([7.5, -3.25])
    assert found["scale"] == pytest.approx(growth)
    assert found["rotation"] == pytest.approx(degrees)


def test_a_tilt_alone_neither_moves_turns_nor_scales_the_middle() -> None:
    found = motion_at(to_pixels(make_motion([0, 0, 0, 0, 0, 0, 0.05, -0.02]), (300, 400)), (300, 400))
    assert found["shift"] == pytest.approx([0, 0], abs=1e-9)
    assert (found["scale"], found["rotation"]) == (pytest.approx(1), pytest.approx(0))


def test_a_file_that_is_gone_is_named(listing: Listing, fused: FusionResult) -> None:
    listing.paths[1].unlink()
    with pytest.raises(ReadError, match=r"img2\.png can't be read any more"):
        provenance(fused, LAPLACIAN, OUTPUTS, 1.0)


# The page


def test_every_tag_is_closed_and_nothing_comes_from_elsewhere(listing: Listing, fused: FusionResult) -> None:
    page = page_of(fused)
    assert page.html.startswith("<!DOCTYPE html>")
    assert not page.open
    assert not page.wrong
    assert "://" not in page.html
    assert not [tag for tag, _ in page.elements if tag in ("link", "iframe", "a", "object")]
    sources = [value for _, found in page.elements for name, value in found.items() if name in ("src", "href")]
    assert len(sources) == 4
    assert all(source.startswith("data:image/webp;base64,") for source in sources)
    assert not re.search(r"url\(|@import", page.html)


def test_the_slider_can_be_reached_and_named(listing: Listing, fused: FusionResult) -> None:
    page = page_of(fused)
    (slider,) = [found for tag, found in page.elements if tag == "input"]
    assert slider["type"] == "range"
    assert slider["aria-label"]
    assert all(image["alt"] for image in page.images)


def test_before_and_after_show_the_same_area(listing: Listing) -> None:
    result = aligned(listing)
    page = page_of(result, FusionOptions())
    before, after = (np.asarray(page.shown(kind), np.float32) for kind in ("before", "after"))
    assert before.shape == after.shape == result.image.shape
    np.testing.assert_array_equal(before, after)  # the picture is the reference here
    elsewhere = read_frame(listing, 1)[5:55, 4:84]
    apart, from_elsewhere = (np.abs(luma(after) - luma(other)).mean() for other in (result.image, elsewhere))
    assert apart < 6  # of noise, which WebP keeps roughly
    assert from_elsewhere > 3 * apart


def test_names_reasons_and_notes_are_only_words(tmp_path: Path) -> None:
    listing = write_frames(tmp_path, focal_frames(60, 90, 3), stem=EVIL)
    page = page_of(aligned(listing), FusionOptions())
    assert len(page.images) == 4
    assert not [found for _, found in page.elements if any(name.startswith("on") for name in found)]
    assert not [tag for tag, _ in page.elements if tag == "b"]
    for words in (f"{EVIL}1.png", f"it is {EVIL}", "a note with <b>tags</b> & more"):
        assert words in page.words
    assert not page.open
    assert not page.wrong


def test_names_that_are_no_utf8_can_be_written_too(listing: Listing, fused: FusionResult) -> None:
    outputs = {"fused picture": Path("sharp\udcff.png")}
    page = report_page(fused, LAPLACIAN, outputs, 1.0)
    assert "sharp\\udcff.png" in Page(page).words
    page.encode()
    text = dump(provenance(fused, LAPLACIAN, outputs, 1.0))
    assert json.loads(text.encode())["outputs"][0]["path"] == "sharp\udcff.png"


def test_the_page_tells_what_the_json_tells(listing: Listing) -> None:
    result = aligned(listing, depth=True)
    found = provenance(result, FusionOptions(), OUTPUTS, 2.5)
    words = Page(render_page(result, found)).words
    for entry in found["inputs"]:
        assert entry["sha256"] in words
    assert found["model"]["sha256"] in words
    for said in ("25.0%", "75.0%", "103.000 %", "+1.500°", "1.250 / 1.000 / 0.500 +0.0100", "0.12", "reference"):
        assert said in words
    assert f"0.0%{5 * '–'}left out: it is {EVIL}" in words  # it was laid over nothing
    gap = "most of it between frame 1 (img1.png) and frame 2 (img2.png)"
    assert f"out of focus in every frame: 10.0% of the picture, {gap}" in words
    assert "Cropped to 80 × 50 px" in words
    assert "Depth map" in words


def test_without_alignment_or_network_there_is_less_to_tell(listing: Listing, fused: FusionResult) -> None:
    words = page_of(fused).words
    assert "Index map" in words
    assert "without alignment" in words
    for missing in ("Depth map", "rotation", "out of focus in every frame"):
        assert missing not in words


@pytest.mark.slow
def test_large_pictures_are_made_small_and_the_page_stays_light(tmp_path: Path) -> None:
    frame = picture(200, 2100)  # noise, than which nothing is harder to store
    write_image(tmp_path / "one.png", frame)
    listing = Listing(
        paths=[tmp_path / "one.png"],
        names=["one", "other"],
        frame=FrameInfo(shape=frame.shape, dtype=frame.dtype),
        readers=[partial(picture, 200, 2100)] * 2,
        kinds=["PNG"] * 2,
    )
    result = FusionResult(
        image=frame,
        index_map=np.random.default_rng(0).integers(0, 2, frame.shape[:2]).astype(np.uint16),
        confidence=np.random.default_rng(1).random(frame.shape[:2], np.float32),
        names=("one", "other"),
        method="laplacian",
        source=listing,
    )
    page = page_of(result)
    assert len(page.html) < 3e6
    assert (2 * PICTURE_BYTES + 2 * MAP_BYTES) * 4 / 3 < 3e6  # what larger ones take at most, see `figure`
    assert max(page.shown("before").size) == max(page.shown("after").size) == PICTURE_SIDE
    assert {max(int(image["width"]), int(image["height"])) for image in page.images} == {PICTURE_SIDE, MAP_SIDE}


# Pictures


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("gray", [False, True])
def test_pictures_of_any_depth_are_shown_in_eight_bits(dtype: str, gray: bool) -> None:
    flat = np.full((40, 30) if gray else (40, 30, 3), 0.5, np.float32)
    image = flat if dtype == "float32" else (flat * np.iinfo(dtype).max).astype(dtype)
    assert display_gain(image) == 1
    shown = figure_of(photo(image, 1.0, None).data)
    assert shown.size == (30, 40)
    assert abs(np.asarray(shown, np.float32) - 127.5).max() < 4


@pytest.mark.parametrize(("brightest", "gain"), [(0.0625, 16.0), (0.5, 1.0), (4.0, 0.25)])
def test_dark_pictures_are_brightened_for_display(brightest: float, gain: float) -> None:
    image = np.full((20, 20), brightest, np.float32)
    assert display_gain(image) == pytest.approx(gain)
    assert display_gain(np.zeros((20, 20), np.uint16)) == 1


def test_the_page_says_that_it_shows_a_picture_brighter(tmp_path: Path) -> None:
    listing = write_frames(
        tmp_path, [(frame // 16).astype(np.uint16) for frame in focal_frames(40, 60, 2, dtype="uint16")]
    )
    page = page_of(fuse(listing, options=LAPLACIAN))
    assert "times as bright as stored" in page.words
    assert np.asarray(page.shown("after")).max() > 200


def test_colours_are_shown_by_the_profile_of_the_frames() -> None:
    profile = srgb_profile()
    shown = figure_of(photo(picture(), 1.0, profile).data)
    assert ImageCms.getOpenProfile(BytesIO(shown.info["icc_profile"])).profile.xcolor_space.strip() == "RGB"
    assert "icc_profile" not in figure_of(photo(picture(), 1.0, None).data).info


def test_index_maps_are_thinned_out_without_new_indices() -> None:
    checks = np.indices((1000, 1700)).sum(axis=0).astype(np.uint16) % 2 * 4
    small = picked(checks, MAP_SIDE)
    assert max(small.shape) == MAP_SIDE
    assert set(np.unique(small)) <= {0, 4}


def test_pictures_get_coarser_before_they_get_too_large() -> None:
    noise = picture(200, 200)
    fine, coarse = figure(noise, PICTURE_BYTES), figure(noise, 20_000)
    assert len(coarse.data) < 20_000 * 4 / 3 + 40 < len(fine.data)


@pytest.mark.parametrize("shape", [(1, 1), (2, 4000), (4000, 1, 3)])
def test_slivers_are_shown_too(shape: tuple[int, ...]) -> None:
    sliver = np.full(shape, 200, np.uint8)
    assert display_gain(sliver) == 1
    assert max(figure_of(photo(sliver, 1.0, None).data).size) <= PICTURE_SIDE
    assert max(figure_of(coloured(np.ones(shape[:2], np.uint16), 3).data).size) <= MAP_SIDE


def figure_of(data: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(data.split(",", 1)[1])))
