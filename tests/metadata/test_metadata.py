"""What a frame says beside its pixels reaches the written file; what is damaged does not stop anything."""

import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from allfocus.core.color import linear_to_srgb
from allfocus.formats.write import Picture, write_images
from allfocus.io import (
    Metadata,
    finish_metadata,
    linear_srgb_profile,
    read_image,
    read_metadata,
    srgb_profile,
    write_image,
)
from allfocus.metadata import xmp as packets
from allfocus.metadata.icc import build_profile, make_curve
from pictures import picture

WITH_EXIFTOOL = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")

OUTPUTS = [
    ("a.jpg", "uint8"),
    ("a.png", "uint8"),
    ("b.png", "uint16"),
    ("a.tif", "uint8"),
    ("b.tif", "uint16"),
    ("c.tif", "float32"),
    ("a.webp", "uint8"),
    ("o.ome.tif", "uint16"),
]

KEPT = [
    *("Make", "Model", "LensModel", "ExposureTime", "FNumber", "ISO", "DateTimeOriginal", "OffsetTimeOriginal"),
    *("ModifyDate", "Artist", "Copyright", "GPSLatitude", "GPSLongitude", "GPSAltitude", "GPSProcessingMethod"),
    *("Creator", "Rating", "ProfileDescription", "UserComment", "XResolution", "YResolution", "ResolutionUnit"),
    "CanonImageType",
]

EXIF, GPS = 0x8769, 0x8825
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
 <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
   xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
   xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' xmlns:Container="http://ns.google.com/photos/1.0/container/"
   xmp:Rating="4" tiff:Orientation='6' xmp:CreatorTool="Tool &amp; Sons" hdrgm:Version="1.0">
  <dc:creator><rdf:Seq><rdf:li>Jörg Müller</rdf:li></rdf:Seq></dc:creator>
  <exif:PixelXDimension>9999</exif:PixelXDimension>
  <Container:Directory><rdf:Seq><rdf:li>a video was here</rdf:li></rdf:Seq></Container:Directory>
 </rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>""".encode()


def wide_profile() -> bytes:
    """A display profile that is not sRGB."""
    return build_profile("Wide", make_curve(0, (1.8,)))


def gray_profile() -> bytes:
    """A profile for gray pictures: only its header is ever looked at."""
    profile = srgb_profile()
    return profile[:16] + b"GRAY" + profile[20:]


def canon_note(place: int, order: str) -> bytes:
    """A maker's note of Canon's kind, whose values are found by their place in the whole EXIF block."""
    words = b"IMG:EOS R5 JPEG\0"
    entries = struct.pack(order + "HHHLL", 1, 6, 2, len(words), place + 2 + 12 + 4)
    return entries + bytes(4) + words


def camera_block(order: str = "<", note: Callable[[int, str], bytes] = canon_note) -> bytes:
    """An EXIF block as a camera writes it, by Pillow's writer, with a maker's note and a thumbnail."""
    place = 0
    for _ in range(2):  # the second time knows where the note is
        parts = camera_parts(order, note(place, order))
        block = put_together(parts, order)
        place = block.index(note(place, order))
    return block


def camera_parts(order: str, note: bytes) -> tuple[ImageFileDirectory_v2, ...]:
    prefix = b"II" if order == "<" else b"MM"
    image, camera, place = (ImageFileDirectory_v2(prefix=prefix) for _ in range(3))
    image.update({0x010E: "a beetle", 0x010F: "Canon", 0x0110: "Canon EOS R5", 0x0112: 6, 0x0128: 2, 0x0131: "1.8.1"})
    image.update({0x011A: IFDRational(300), 0x011B: IFDRational(300), 0x0132: "2024:05:06 07:08:09", 0x0213: 1})
    image.update({0x013B: "Joerg Mueller", 0x8298: "(c) 2024", EXIF: 0, GPS: 0})
    camera.tagtype.update(dict.fromkeys((0x9000, 0x9101, 0xA000, 0x927C, 0x9286), 7))
    camera.update({0x9000: b"0231", 0x9101: b"\1\2\3\0", 0xA000: b"0100", 0x927C: note, 0x9286: b"ASCII\0\0\0hi"})
    camera.update({0x829A: IFDRational(1, 125), 0x829D: IFDRational(28, 10), 0x8827: 400, 0x9011: "+02:00"})
    camera.update({0x9003: "2024:05:06 07:08:09", 0xA001: 65535, 0xA002: 4800, 0xA003: 3200})
    camera.update({0xA434: "RF100mm F2.8 L MACRO IS USM"})
    place.tagtype[0x1B] = 7
    place.update({0: b"\2\3\0\0", 1: "N", 2: (IFDRational(48), IFDRational(8), IFDRational(153, 10)), 3: "E"})
    place.update({4: (IFDRational(11), IFDRational(34), IFDRational(12)), 5: b"\0", 6: IFDRational(5205, 10)})
    place[0x1B] = b"ASCII\0\0\0GPS"
    return image, camera, place


def put_together(parts: tuple[ImageFileDirectory_v2, ...], order: str) -> bytes:
    image, camera, place = parts
    first = 8
    second = first + len(image.tobytes(first))
    third = second + len(camera.tobytes(second))
    image[EXIF], image[GPS] = second, third
    block = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "L", first)
    block += image.tobytes(first) + camera.tobytes(second) + place.tobytes(third)
    thumbnail = BytesIO()
    Image.new("RGB", (16, 12), "red").save(thumbnail, "JPEG")
    end = len(block)
    rows = [(0x0103, 3, struct.pack(order + "HH", 6, 0)), (0x0201, 4, struct.pack(order + "L", end + 42))]
    rows += [(0x0202, 4, struct.pack(order + "L", len(thumbnail.getvalue())))]
    table = b"".join(struct.pack(order + "HHL", tag, kind, 1) + value for tag, kind, value in rows)
    link = first + 2 + 12 * len(image)
    block = block[:link] + struct.pack(order + "L", end) + block[link + 4 :]
    return block + struct.pack(order + "H", 3) + table + bytes(4) + thumbnail.getvalue()


def write_rich(path: Path, order: str = "<", **options: Any) -> Path:
    """A JPEG photo with all that cameras and programs put into one, written by Pillow."""
    told = {"exif": b"Exif\0\0" + camera_block(order), "icc_profile": wide_profile(), "xmp": XMP, "dpi": (300, 300)}
    Image.fromarray(picture(32, 48)).save(path, "JPEG", quality=95, **{**told, **options})
    return path


def write_fused(folder: Path, name: str, dtype: str, source: Path) -> Path:
    """Write what would be fused from 12 frames like `source`."""
    metadata = finish_metadata(read_metadata(source), frames=12, size=(48, 32), software="allfocus 9")
    assert metadata.notes == ()
    assert write_image(folder / name, picture(48, 32, dtype=dtype), metadata) == ()
    return folder / name


def stored(path: Path) -> dict[str, Any]:
    """EXIF, profile and XMP of a file, as Pillow or, of a TIFF file, tifffile reads them."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as tiff:
            tags = {tag.code: tag.value for tag in tiff.pages[0].aspage().tags}
        named = {tag.name: tag.value for tag in tiff.pages[0].aspage().tags}
        return {"image": tags, "camera": named["ExifTag"], "gps": named["GPSTag"], "icc": tags[34675], "xmp": tags[700]}
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        info = image.info
        return {
            "image": dict(exif),
            "camera": {TAG_NAMES[tag]: value for tag, value in exif.get_ifd(EXIF).items() if tag in TAG_NAMES},
            "gps": {GPS_NAMES[tag]: value for tag, value in exif.get_ifd(GPS).items() if tag in GPS_NAMES},
            "icc": info["icc_profile"],
            "xmp": info["xmp"],
        }


TAG_NAMES = {0x829A: "ExposureTime", 0x829D: "FNumber", 0x9003: "DateTimeOriginal", 0x9011: "OffsetTimeOriginal"}
TAG_NAMES |= {0xA434: "LensModel", 0xA461: "SourceImageNumberOfCompositeImage", 0x9286: "UserComment"}
GPS_NAMES = {2: "GPSLatitude", 4: "GPSLongitude", 6: "GPSAltitude", 1: "GPSLatitudeRef"}


def ratios(value: Any) -> list[float]:
    """Fractions as either library hands them out."""
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(values[0], int):  # tifffile: numerators and denominators in turn
        return [over / under for over, under in zip(values[::2], values[1::2], strict=True)]
    return [float(each) for each in values]


# --- round trips ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("name", "dtype"), OUTPUTS)
def test_every_format_keeps_what_the_camera_said(tmp_path: Path, name: str, dtype: str, order: str) -> None:
    path = write_fused(tmp_path, name, dtype, write_rich(tmp_path / "in.jpg", order))
    found = stored(path)
    assert found["image"][0x010F] == "Canon"
    assert found["image"][0x8298] == "(c) 2024"
    assert found["image"][0x0112] == 1
    assert found["image"][0x0131] == "allfocus 9"
    if name != "o.ome.tif":
        assert found["image"][0x010E] == "a beetle; fused from 12 frames"
    assert ratios(found["camera"]["ExposureTime"]) == [0.008]
    assert ratios(found["camera"]["FNumber"]) == [2.8]
    assert found["camera"]["DateTimeOriginal"] == "2024:05:06 07:08:09"
    assert found["camera"]["OffsetTimeOriginal"] == "+02:00"
    assert found["camera"]["LensModel"] == "RF100mm F2.8 L MACRO IS USM"
    assert ratios(found["gps"]["GPSLatitude"]) == [48, 8, 15.3]
    assert ratios(found["gps"]["GPSAltitude"]) == [520.5]
    assert found["gps"]["GPSLatitudeRef"] == "N"
    assert found["icc"] == wide_profile()
    assert "Jörg Müller".encode() in found["xmp"]
    assert b'xmp:Rating="4"' in found["xmp"]
    assert b"tiff:Orientation='1'" in found["xmp"]
    assert np.array_equal(read_image(path), picture(48, 32, dtype=dtype)) or name == "a.jpg"


@pytest.mark.parametrize(("name", "dtype"), OUTPUTS)
def test_what_was_written_is_read_back_the_same(tmp_path: Path, name: str, dtype: str) -> None:
    source = finish_metadata(read_metadata(write_rich(tmp_path / "in.jpg")), frames=3, size=(48, 32))
    write_image(tmp_path / name, picture(48, 32, dtype=dtype), source)
    found = read_metadata(tmp_path / name)
    assert found.notes == ()
    assert (found.icc, found.xmp, found.dpi) == (source.icc, source.xmp, (300, 300))
    # and from there into a JPEG again, with all its values
    again = write_fused(tmp_path, "again.jpg", "uint8", tmp_path / name)
    assert stored(again)["camera"]["LensModel"] == "RF100mm F2.8 L MACRO IS USM"
    assert ratios(stored(again)["gps"]["GPSLongitude"]) == [11, 34, 12]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("name", "dtype"), OUTPUTS)
def test_a_makers_note_stays_where_its_offsets_are_right(tmp_path: Path, name: str, dtype: str, order: str) -> None:
    path = write_fused(tmp_path, name, dtype, write_rich(tmp_path / "in.jpg", order))
    data = path.read_bytes()
    place = camera_block(order).index(b"IMG:EOS R5") - 18
    start = {".jpg": data.find(b"Exif\0\0") + 6, ".png": data.find(b"eXIf") + 4, ".webp": data.find(b"EXIF") + 8}
    assert data[start.get(path.suffix, 0) + place :].startswith(canon_note(place, order))


def test_the_thumbnail_of_the_frame_is_dropped(tmp_path: Path) -> None:
    path = write_fused(tmp_path, "a.jpg", "uint8", write_rich(tmp_path / "in.jpg"))
    assert (tmp_path / "in.jpg").read_bytes().count(b"\xff\xd8\xff") == 2
    assert path.read_bytes().count(b"\xff\xd8\xff") == 1


def exiftool(paths: Sequence[Path], *options: str) -> dict[Path, dict[str, Any]]:
    """What exiftool makes of files; it takes a second to start."""
    typed = ["exiftool", "-j", "-a", *options, *map(str, paths)]
    done = subprocess.run(typed, capture_output=True, text=True, check=False)
    return {Path(facts["SourceFile"]): facts for facts in json.loads(done.stdout)}


VALIDATE = ("-validate", "-warning", "-error", "-G0")

#: Of an output: what exiftool sees in its source, in itself, and what it complains of.
Seen = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Seen]:
    """All outputs, by their names and the byte order of the source."""
    made, sources = {}, {}
    for order, word in (("<", "little"), (">", "big")):
        folder = tmp_path_factory.mktemp(word)
        sources[order] = folder / "in.jpg"
        write_rich(sources[order], order)
        made |= {(name, order): write_fused(folder, name, dtype, sources[order]) for name, dtype in OUTPUTS}
    found, complaints = exiftool([*sources.values(), *made.values()]), exiftool([*made.values()], *VALIDATE)
    return {key: (found[sources[key[1]]], found[path], complaints[path]) for key, path in made.items()}


@pytest.mark.slow
@WITH_EXIFTOOL
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", [name for name, _ in OUTPUTS])
def test_exiftool_sees_the_same_and_complains_of_nothing(
    seen: dict[tuple[str, str], Seen], name: str, order: str
) -> None:
    source, found, report = seen[name, order]
    for key in KEPT:
        assert (key, found[key]) == (key, source[key])
    assert found["Orientation"] == "Horizontal (normal)"
    assert found["Software"] == found["CreatorTool"] == "allfocus 9"
    assert found["CompositeImageCount"] == "12 12"
    assert "ThumbnailImage" in source and "ThumbnailImage" not in found
    complaints = [value for key, value in report.items() if key.startswith(("ExifTool:Warn", "ExifTool:Err"))]
    # TIFF 6.0 knows no deflate; every reader of our days does
    assert [text for text in complaints if "0x0103 Compression" not in str(text)] == []


@WITH_EXIFTOOL
def test_pictures_without_metadata_get_valid_exif(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jpg", "a.png", "a.tif", "a.webp", "a.ome.tif")]
    for path in paths:
        write_image(path, picture(), finish_metadata(Metadata(), frames=2, size=(32, 48)))
    reports = exiftool(paths, "-validate", "-warning", "-error")
    assert len(reports) == len(paths)
    for path, report in reports.items():
        assert report["Validate"] == "OK" or "0x0103 Compression" in report["Warning"], path


def test_finished_says_what_was_done(tmp_path: Path) -> None:
    metadata = finish_metadata(Metadata(), frames=7, size=(32, 48), software="allfocus 9")
    write_image(tmp_path / "a.png", picture(), metadata)
    with Image.open(tmp_path / "a.png") as image:
        assert image.info["Software"] == "allfocus 9"
        exif = image.getexif()
        assert exif[0x010E] == "fused from 7 frames"
        camera = exif.get_ifd(EXIF)
        assert (camera[0xA460], camera[0xA461], camera[0xA002], camera[0xA003]) == (2, (7, 7), 48, 32)


# --- profiles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dtype"), OUTPUTS)
@pytest.mark.parametrize("gray", [False, True])
def test_a_profile_for_other_colours_is_left_out_and_said(tmp_path: Path, name: str, dtype: str, gray: bool) -> None:
    is_gray = gray and name != "a.webp"
    for profile, fits in ((wide_profile(), not is_gray), (gray_profile(), is_gray)):
        notes = write_image(tmp_path / name, picture(gray=gray, dtype=dtype), Metadata(icc=profile))
        assert read_metadata(tmp_path / name).icc == (profile if fits else None)
        assert ("the ICC profile is for" in " ".join(map(str, notes))) != fits


def test_a_profile_longer_than_a_jpeg_segment_stays_whole(tmp_path: Path) -> None:
    profile = wide_profile() + np.random.default_rng(0).bytes(200_000)
    write_image(tmp_path / "a.jpg", picture(), Metadata(icc=profile))
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["icc_profile"] == profile
    assert read_metadata(tmp_path / "a.jpg").icc == profile


def test_a_damaged_profile_is_dropped_and_named(tmp_path: Path) -> None:
    for damaged in (wide_profile()[:300], b"no profile" * 20):
        write_rich(tmp_path / "in.jpg", icc_profile=damaged)
        found = read_metadata(tmp_path / "in.jpg")
        assert found.icc is None
        assert found.exif and found.xmp
        assert re.fullmatch(r"in\.jpg: its ICC profile can't be read \(.*\) and was left out", found.notes[0])
        told = write_images([Picture(tmp_path / name, picture(), found) for name in ("out.png", "map.png")])
        assert [str(note) for note in told] == list(found.notes)


@pytest.mark.parametrize("level", [0, 0.002, 0.1, 0.5, 1])
def test_the_linear_profile_means_light(level: float) -> None:
    linear = ImageCms.ImageCmsProfile(BytesIO(linear_srgb_profile()))
    srgb = ImageCms.createProfile("sRGB")
    turn = ImageCms.buildTransform(linear, srgb, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    stored_level = np.uint8(round(level * 255))
    seen = np.asarray(ImageCms.applyTransform(Image.new("RGB", (1, 1), (int(stored_level),) * 3), turn))
    assert np.abs(seen / 255 - linear_to_srgb(np.float32(stored_level / 255))).max() < 0.004
    assert level != 0.5 or seen[0, 0, 0] == 188  # 0.5 -> 0.735


def test_our_srgb_profile_is_srgb() -> None:
    ours, theirs = ImageCms.ImageCmsProfile(BytesIO(srgb_profile())), ImageCms.createProfile("sRGB")
    turn = ImageCms.buildTransform(ours, theirs, "RGB", "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC)
    image = Image.fromarray(picture())
    assert np.abs(np.asarray(ImageCms.applyTransform(image, turn)).astype(int) - np.asarray(image)).max() <= 1
    assert ImageCms.getProfileDescription(ours).strip() == "sRGB (allfocus)"


# --- XMP -----------------------------------------------------------------------------------------


def properties(packet: bytes) -> dict[str, str]:
    """Properties of a packet by their names, as another parser sees them."""
    found = {}
    for description in ElementTree.fromstring(packet).iter(f"{RDF}Description"):
        found |= description.attrib
        found |= {child.tag: "".join(child.itertext()).strip() for child in description}
    return {name.partition("}")[2]: value for name, value in found.items()}


def test_only_what_is_wrong_for_the_fused_picture_changes() -> None:
    packet = packets.finish(XMP, (30, 20), "all<focus>")
    before, after = properties(XMP), properties(packet)
    changed = {"Orientation": "1", "CreatorTool": "all<focus>", "PixelXDimension": "20"}
    gone = {"Version", "Directory"}
    assert after == {key: changed.get(key, value) for key, value in before.items() if key not in gone}
    assert packet.startswith(XMP[:200])


def test_utf16_packets_are_understood_and_bombs_refused() -> None:
    assert packets.clean(XMP.decode().encode("utf-16")) == XMP
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + XMP
    for refused in (bomb, XMP[:-200], b"", b"<a/>", XMP.replace(b'xmlns:dc="', b'xmlns:cd="')):
        with pytest.raises(ValueError, match=r"."):
            packets.clean(refused)


def long_packet(length: int) -> bytes:
    """A packet with masks in it, as Lightroom writes them."""
    digits = np.random.default_rng(0).bytes(length // 2).hex().encode()
    mask = b'<crs:Mask xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/">' + digits + b"</crs:Mask>"
    return packets.insert(XMP, b'<rdf:Description rdf:about="">' + mask + b"</rdf:Description>")


@pytest.mark.parametrize("length", [60_000, 70_000, 300_000])
def test_long_xmp_goes_into_a_jpeg_and_comes_back(tmp_path: Path, length: int) -> None:
    packet = long_packet(length)
    assert write_image(tmp_path / "a.jpg", picture(), Metadata(xmp=packet)) == ()
    found = read_metadata(tmp_path / "a.jpg")
    assert found.notes == ()
    assert found.xmp is not None
    assert properties(found.xmp) == properties(packet)
    with Image.open(tmp_path / "a.jpg") as image:
        assert properties(image.info["xmp"])["Rating"] == "4"


@WITH_EXIFTOOL
def test_exiftool_reads_our_extended_xmp(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", picture(), Metadata(xmp=long_packet(200_000)))
    found = exiftool([tmp_path / "a.jpg"], "-validate", "-warning", "-XMP:all")[tmp_path / "a.jpg"]
    assert "200000 bytes" in found["Mask"]
    assert (found["Validate"], found["Rating"]) == ("OK", 4)


def test_xmp_that_no_jpeg_can_hold_is_said(tmp_path: Path) -> None:
    huge = XMP.replace(b'xmp:Rating="4"', b'xmp:Rating="' + b"4" * 70_000 + b'"')
    (note,) = write_image(tmp_path / "a.jpg", picture(), Metadata(xmp=huge))
    assert "more than JPEG holds" in note.message
    assert read_metadata(tmp_path / "a.jpg").xmp is None
    assert write_image(tmp_path / "a.png", picture(), Metadata(xmp=huge)) == ()
    assert read_metadata(tmp_path / "a.png").xmp == huge


# --- EXIF ----------------------------------------------------------------------------------------


def test_exif_that_no_jpeg_can_hold_loses_the_makers_note_only(tmp_path: Path) -> None:
    block = camera_block(note=lambda place, order: canon_note(place, order) + bytes(70_000))
    Image.fromarray(picture()).save(tmp_path / "in.webp", exif=block)
    metadata = finish_metadata(read_metadata(tmp_path / "in.webp"), frames=2, size=(32, 48))
    (note,) = write_image(tmp_path / "a.jpg", picture(), metadata)
    assert "the maker's note was left out" in note.message
    with Image.open(tmp_path / "a.jpg") as image:
        camera = image.getexif().get_ifd(EXIF)
    assert camera[0xA434] == "RF100mm F2.8 L MACRO IS USM"
    assert 0x927C not in camera
    assert write_image(tmp_path / "a.png", picture(), metadata) == ()


def test_a_makers_note_deep_in_a_tiff_file_is_kept_if_it_can_be_moved(tmp_path: Path) -> None:
    for words, kept in ((b"Nikon\0\x02\x10\0\0 and so on", True), (b"Canon's offsets point elsewhere", False)):
        block = camera_block(note=lambda _, __, words=words: words)
        stored_at = 100_000
        data = bytearray(stored_at) + words
        data[: len(block)] = block
        place = data.index(struct.pack("<HHL", 0x927C, 7, len(words))) + 8
        data[place : place + 4] = struct.pack("<L", stored_at)
        (tmp_path / "in.tif").write_bytes(data)
        found = read_metadata(tmp_path / "in.tif")
        assert found.exif is not None
        assert (words in found.exif) == kept
        assert any("maker's note" in note for note in found.notes) != kept
        assert len(found.exif) < 5000


def test_the_colour_space_that_only_exif_names_is_kept(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(EXIF)[0xA001] = 65535
    exif.get_ifd(EXIF)[0xA005] = {1: "R03"}  # Adobe RGB
    write_rich(tmp_path / "in.jpg", exif=exif.tobytes(), icc_profile=None)
    metadata = finish_metadata(read_metadata(tmp_path / "in.jpg"), frames=2, size=(32, 48))
    for name in ("a.jpg", "a.tif"):
        write_image(tmp_path / name, picture(), metadata)
        with Image.open(tmp_path / name) as image:
            camera = image.getexif().get_ifd(EXIF)
            assert camera[0xA001] == 65535
            assert image.getexif().get_ifd(0xA005)[1] == "R03"


def test_damaged_values_are_left_out_by_name_and_the_others_kept(tmp_path: Path) -> None:
    block = bytearray(camera_block())
    row = block.index(struct.pack("<HH", 0xA434, 2)) + 8
    block[row : row + 4] = struct.pack("<L", 2**31)
    write_rich(tmp_path / "in.jpg", exif=b"Exif\0\0" + bytes(block))
    found = read_metadata(tmp_path / "in.jpg")
    assert found.notes == ("in.jpg: its EXIF is damaged; left out: camera tag 0xa434",)
    path = tmp_path / "out.jpg"
    write_image(path, picture(), found)
    assert stored(path)["camera"]["DateTimeOriginal"] == "2024:05:06 07:08:09"


@pytest.mark.parametrize("bigtiff", [False, True])
def test_tags_of_a_tiff_file_are_read_but_not_what_programs_say_of_its_pages(tmp_path: Path, bigtiff: bool) -> None:
    tags = [(271, 2, 0, "Zeiss", True), (36867, 2, 0, "x", True), (34675, 7, None, wide_profile(), True)]
    options: dict[str, Any] = {"extratags": tags, "resolution": (200, 100), "resolutionunit": 3, "bigtiff": bigtiff}
    tifffile.imwrite(tmp_path / "a.tif", np.stack([picture()] * 2), photometric="rgb", **options)
    found = read_metadata(tmp_path / "a.tif")
    assert found.dpi == (508, 254)
    assert found.icc == wide_profile()
    write_image(tmp_path / "a.png", picture(), found)
    with Image.open(tmp_path / "a.png") as image:
        exif = dict(image.getexif())
    assert exif[271] == "Zeiss"
    assert 36867 not in exif and 270 not in exif
    tifffile.imwrite(tmp_path / "i.tif", picture(gray=True), imagej=True, resolution=(15.3, 15.3))
    assert read_metadata(tmp_path / "i.tif").dpi is None


def test_bigtiff_keeps_all_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = tifffile.imwrite
    monkeypatch.setattr("tifffile.imwrite", lambda *given, **options: write(*given, **options, bigtiff=True))
    path = write_fused(tmp_path, "a.tif", "uint16", write_rich(tmp_path / "in.jpg"))
    assert path.read_bytes()[:4] == b"II+\0"
    assert ratios(stored(path)["gps"]["GPSLatitude"]) == [48, 8, 15.3]
    assert np.array_equal(read_image(path), picture(48, 32, dtype="uint16"))
    assert read_metadata(path).icc == wide_profile()


# --- other containers ----------------------------------------------------------------------------


def box(kind: bytes, *content: bytes) -> bytes:
    inside = b"".join(content)
    return struct.pack(">L", 8 + len(inside)) + kind + inside


def test_raw_files_of_canon_and_fuji_are_understood(tmp_path: Path) -> None:
    image, camera, place = camera_parts("<", b"note")
    del image[EXIF], image[GPS], camera[0x927C]
    blocks = [b"II*\0\x08\0\0\0" + part.tobytes(8) for part in (image, camera, place)]
    canon = [box(name, block) for name, block in zip((b"CMT1", b"CMT2", b"CMT4"), blocks, strict=True)]
    identity = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    (tmp_path / "a.cr3").write_bytes(
        box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", box(b"uuid", identity, *canon)) + box(b"mdat", bytes(99))
    )
    write_rich(tmp_path / "in.jpg")
    preview = (tmp_path / "in.jpg").read_bytes()
    (tmp_path / "a.raf").write_bytes(
        b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">LL", 92, len(preview)) + preview
    )
    for name in ("a.cr3", "a.raf"):
        path = tmp_path / "out.png"
        found = finish_metadata(read_metadata(tmp_path / name), frames=2, size=(32, 48))
        assert write_image(path, picture(), found) == ()
        with Image.open(path) as written:
            exif = written.getexif()
        assert exif[0x0112] == 1
        assert exif.get_ifd(EXIF)[0xA434] == "RF100mm F2.8 L MACRO IS USM"
        assert exif.get_ifd(GPS)[6] == 520.5


def test_avif_and_heic_are_read(tmp_path: Path) -> None:
    import pillow_heif

    image, block = Image.fromarray(picture()), camera_block()
    image.save(tmp_path / "a.avif", exif=block, icc_profile=wide_profile(), xmp=XMP)
    heif = pillow_heif.from_pillow(image)
    heif.save(tmp_path / "a.heic", exif=b"Exif\0\0" + block, xmp=XMP)
    for name in ("a.avif", "a.heic"):
        found = read_metadata(tmp_path / name)
        assert found.notes == ()
        assert found.xmp is not None and properties(found.xmp)["Rating"] == "4"
        assert found.exif is not None and b"RF100mm" in found.exif
        assert found.dpi == (300, 300)
    assert read_metadata(tmp_path / "a.avif").icc == wide_profile()


def test_iptc_goes_where_it_can(tmp_path: Path) -> None:
    records = b"\x1c\x02\x50\0\x05J\xf6rg!"  # by-line
    for name in ("a.jpg", "a.tif"):
        assert write_image(tmp_path / name, picture(), Metadata(iptc=records)) == ()
        assert read_metadata(tmp_path / name).iptc == records
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["photoshop"][0x0404] == records
    (note,) = write_image(tmp_path / "a.png", picture(), Metadata(iptc=records))
    assert str(note) == "a.png: the format has no place for IPTC records; they were left out"


def test_texts_of_png_stay_in_png(tmp_path: Path) -> None:
    texts = (("Title", "Käfer № 7"), ("Comment", "macro"), ("Author", "me"))
    assert write_image(tmp_path / "a.png", picture(dtype="uint16"), Metadata(text=texts, dpi=(72, 300))) == ()
    found = read_metadata(tmp_path / "a.png")
    assert (found.text, found.dpi) == (texts, (72, 300))
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        assert image.info["Title"] == "Käfer № 7"
    (note,) = write_image(tmp_path / "a.jpg", picture(), finish_metadata(found, frames=2, size=(32, 48)))
    assert str(note) == "a.jpg: the format has no place for the texts Title; they were left out"
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info["comment"] == b"macro"
        assert image.getexif()[0x013B] == "me"


def test_blocks_that_older_programs_hid_in_texts_are_found(tmp_path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    block = b"Exif\0\0" + camera_block()
    digits = b"\nexif\n" + str(len(block)).rjust(8).encode() + b"\n" + block.hex().encode() + b"\n"
    write_image(tmp_path / "a.png", picture())
    data = (tmp_path / "a.png").read_bytes()
    hidden = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(digits))
    (tmp_path / "a.png").write_bytes(data[:-12] + hidden + data[-12:])
    found = read_metadata(tmp_path / "a.png")
    assert found.exif is not None and b"RF100mm" in found.exif
    assert found.dpi == (300, 300)


# --- nothing fails -------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\0\0\0\x18ftypisom\0\0\0\0isomiso2", b"II*\0", b"BM" + bytes(60)])
def test_files_that_say_nothing_give_no_metadata(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    found = read_metadata(tmp_path / "a")
    assert replace(found, notes=()) == Metadata()
    assert len(found.notes) == (data == b"II*\0")
    assert len(read_metadata(tmp_path / "missing").notes) == 1


@pytest.mark.slow
@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_of_any_kind_ends_in_notes(tmp_path: Path, data: st.DataObject) -> None:
    name, dtype = data.draw(st.sampled_from(OUTPUTS))
    source = tmp_path / f"whole-{name}"
    if not source.exists():
        write_fused(tmp_path, source.name, dtype, write_rich(tmp_path / "in.jpg"))
    damaged = bytearray(source.read_bytes())
    end = min(len(damaged), 5000)
    for place in data.draw(st.lists(st.integers(0, end - 1), min_size=1, max_size=20)):
        damaged[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF, damaged[place] ^ 1]))
    (tmp_path / "bad").write_bytes(damaged[: data.draw(st.integers(end // 2, len(damaged)))])
    found = finish_metadata(read_metadata(tmp_path / "bad"), frames=2, size=(32, 48))
    for output in ("out.jpg", "out.tif"):
        write_image(tmp_path / output, picture(), found)
        assert read_metadata(tmp_path / output).notes == ()
