"""Metadata of a frame, as it comes from any format, and how it becomes that of the fused picture.

Nothing in here fails a fusion: what is damaged is left out, with a note.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from fractions import Fraction

from allfocus._version import __version__
from allfocus.metadata import exif, icc, ifd, xmp
from allfocus.metadata.blocks import CENTIMETRES, EXIF_START
from allfocus.metadata.camera import CameraColours
from allfocus.metadata.exif import Block, Directory, Entry, encode_text

#: Tags that describe how the samples of one file are stored, or that hold a block which is kept by itself.
STORAGE = {
    0x00FE, 0x00FF, 0x0100, 0x0101, 0x0102, 0x0103, 0x0106, 0x010A, 0x0111, 0x0115, 0x0116, 0x0117, 0x011C, 0x0120,
    0x0121, 0x013D, 0x0142, 0x0143, 0x0144, 0x0145, 0x014A, 0x0152, 0x0153, 0x0201, 0x0202, 0x0211, 0x0212, 0x0214,
    0x8649, 0x935C, exif.XMP, exif.IPTC, exif.ICC,
}  # fmt: skip

#: Texts of PNG files that have a tag of their own in EXIF.
KEYWORDS = {"Description": exif.DESCRIPTION, "Author": exif.ARTIST, "Copyright": exif.COPYRIGHT}

#: How descriptions begin of what is no fused picture of a whole stack: registered frames, slabs and maps.
ALIGNED, SLAB, MAP = "registered by allfocus", "slab fused from", "map by allfocus"
#: How many damaged parts a note names.
MOST_NAMED = 8

#: The version of EXIF that brought tags for pictures composed of several.
COMPOSITES_SINCE = b"0232"


@dataclass(frozen=True, kw_only=True, repr=False)
class Metadata:
    """What is kept of a frame beside its pixels.

    Attributes:
        exif: a TIFF-structured block, without the `Exif` letters that JPEG puts before it; GPS is part of it.
        icc: the colour profile.
        xmp: the packet, in UTF-8, in one piece.
        iptc: IPTC-IIM records.
        dpi: pixels for an inch, across and down.
        pixel_size: width and height of a pixel in µm, where a microscopy program noted it; `dpi` says the same.
        z_step: from frame to frame in µm.
        text: keys and values of PNG texts; a JPEG's comment has the key `Comment`.
        notes: what could not be read, a line each.
        camera: the colours that the samples are in, where they are a camera's own.
    """

    exif: bytes | None = None
    icc: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    text: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    camera: CameraColours | None = None

    def __repr__(self) -> str:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        found = [f"{name} of {len(v)} bytes" if isinstance(v, bytes) else name for name, v in values.items() if v]
        return f"<Metadata: {', '.join(found) or 'none'}>"


@contextmanager
def collect_errors(notes: list[str], name: str, what: str) -> Iterator[None]:
    """Turn whatever goes wrong into a note: damaged bytes cause errors of every type, and none may end a fusion."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        notes.append(f"{name}: its {what} can't be read ({reason}) and was left out")


def parse(stored: bytes | None) -> Block | None:
    """A stored EXIF block, taken apart."""
    if not stored:
        return None
    return ifd.take_apart(exif.make_reader(stored.removeprefix(EXIF_START)))


def assemble(block: Block, name: str) -> tuple[bytes, list[str]]:
    """The bytes of a block, and notes on what is not in them; no bytes where there is nothing in it."""
    notes = []
    if block.damaged:
        more = f" and {len(block.damaged) - MOST_NAMED} more" if len(block.damaged) > MOST_NAMED else ""
        notes.append(f"{name}: its EXIF is damaged; left out: {', '.join(block.damaged[:MOST_NAMED])}{more}")
    if not any(block.directories.values()):
        return b"", notes
    try:
        return ifd.put_together(block), notes
    except ValueError:
        notes.append(f"{name}: the maker's note was left out: it would be wrong at any other place than in that file")
        return ifd.put_together(ifd.drop_note(block)), notes


def check_profile(profile: bytes | None) -> bytes | None:
    """The profile, if it is a whole one; raises `ValueError` if not."""
    if profile:
        icc.read_colour_space(profile)
    return profile or None


def read_dpi(block: Block) -> tuple[float, float] | None:
    """Pixels for an inch, from EXIF."""
    scale = {2: 1.0, 3: CENTIMETRES}.get(block.number(exif.IMAGE, exif.RESOLUTION_UNIT) or 2)
    sides = [block.ratio(exif.IMAGE, tag) for tag in (exif.X_RESOLUTION, exif.Y_RESOLUTION)]
    across, down = sides
    if scale is None or across is None or down is None:
        return None
    return keep_plausible((across * scale, down * scale))


def keep_plausible(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """The resolution, unless no picture has such a one."""
    return dpi if dpi is not None and all(0.1 < side < 1e9 for side in dpi) else None


# --- the fused picture's own ---------------------------------------------------------------------


def finish_metadata(
    metadata: Metadata,
    *,
    frames: int,
    size: tuple[int, int],
    software: str = f"allfocus {__version__}",
    done: str | None = None,
) -> Metadata:
    """Make one frame's metadata that of the picture fused from it and others.

    Orientation becomes 1, since frames are turned when they are read. Sizes become the new ones; thumbnails, which
    show the frame, are dropped. Software and description name what was done, and EXIF's own tags for it hold the
    number of frames.

    Args:
        metadata: of a frame, as `read_metadata` returns it.
        frames: how many were fused.
        size: height and width of the fused picture.
        software: what made it.
        done: what was done, for the description; None: ``fused from 12 frames``.
    """
    notes = list(metadata.notes)
    block, packet = None, None
    with collect_errors(notes, "the first frame", "EXIF"):
        block = parse(metadata.exif)
    with collect_errors(notes, "the first frame", "XMP"):
        packet = xmp.finish(metadata.xmp, size, software) if metadata.xmp else None
    done = done or f"fused from {frames} frames"
    stamped = stamp(block or Block(), metadata, size, software, done)
    parts, damage = assemble(count_composed(stamped, frames) if frames > 1 else stamped, "the first frame")
    text = [(key, f"{value}; {done}" if key == "Description" else value) for key, value in metadata.text]
    text = [(key, value) for key, value in text if key != "Software"] + [("Software", software)]
    return replace(metadata, exif=parts, xmp=packet, text=tuple(text), notes=(*notes, *damage))


def enlarge_pixels(metadata: Metadata, whole: tuple[int, int], size: tuple[int, int]) -> Metadata:
    """The metadata of a picture that was reduced from the first height and width to the second."""
    down, across = whole[0] / size[0], whole[1] / size[1]
    pixel, dpi = metadata.pixel_size, metadata.dpi
    return replace(
        metadata,
        pixel_size=None if pixel is None else (pixel[0] * across, pixel[1] * down),
        dpi=None if dpi is None else (dpi[0] / across, dpi[1] / down),
    )


def sign_map(shows: str, size: tuple[int, int], source: Metadata | None = None) -> Metadata:
    """The metadata of a map: what it shows, and that allfocus made it.

    Args:
        shows: what its numbers mean.
        size: (height, width).
        source: of the picture that it lies over, for the size of its pixels; None: unknown.
    """
    scale = Metadata()
    if source is not None:
        scale = Metadata(dpi=source.dpi, pixel_size=source.pixel_size, z_step=source.z_step)
    return finish_metadata(scale, frames=1, size=size, done=f"{MAP}: {shows}")


def stamp(block: Block, metadata: Metadata, size: tuple[int, int], software: str, done: str) -> Block:
    """An EXIF block with all that `finish_metadata` promises but the number of frames."""
    old = {tag: entry for tag, entry in block.directory(exif.IMAGE).items() if tag not in STORAGE}
    texts = {KEYWORDS[key]: encode_text(value) for key, value in metadata.text if key in KEYWORDS}
    image = {
        **make_density_tags(block, (1, 1), 1),  # EXIF asks for some: square pixels of no known size
        **texts,
        **old,
    }
    if metadata.dpi is not None:
        image |= make_resolution_tags(block, metadata.dpi)
    image[exif.DESCRIPTION] = extend_description(image.get(exif.DESCRIPTION), done)
    image[exif.SOFTWARE] = encode_text(software)
    image[exif.ORIENTATION] = block.numbers(exif.SHORT, 1)
    image.setdefault(exif.POSITIONING, block.numbers(exif.SHORT, 1))
    camera = {**make_required_tags(block, has_profile=metadata.icc is not None), **block.directory(exif.EXIF)}
    camera[exif.VERSION] = Entry(exif.UNDEFINED, max(camera[exif.VERSION].value, COMPOSITES_SINCE))
    camera[exif.PIXEL_X], camera[exif.PIXEL_Y] = (block.numbers(exif.LONG, side) for side in reversed(size))
    return replace(block, directories={**block.directories, exif.IMAGE: image, exif.EXIF: camera}, damaged=())


def count_composed(block: Block, frames: int) -> Block:
    """The block with EXIF's own tags for a picture composed of so many."""
    camera = dict(block.directory(exif.EXIF))
    camera[exif.COMPOSITE] = block.numbers(exif.SHORT, 2)  # composed of several pictures, not in the camera
    camera[exif.COMPOSITE_COUNT] = block.numbers(exif.SHORT, *[min(frames, 65535)] * 2)  # taken, and used
    return replace(block, directories={**block.directories, exif.EXIF: camera})


def make_required_tags(block: Block, *, has_profile: bool) -> Directory:
    """Tags that EXIF asks for; without a profile, colours are taken to be sRGB."""
    return {
        exif.VERSION: Entry(exif.UNDEFINED, COMPOSITES_SINCE),
        exif.COMPONENTS: Entry(exif.UNDEFINED, b"\1\2\3\0"),
        0xA000: Entry(exif.UNDEFINED, b"0100"),  # the version of FlashPix
        0xA001: block.numbers(exif.SHORT, 65535 if has_profile else 1),
    }


def extend_description(old: Entry | None, done: str) -> Entry:
    """A description with what was done behind the old text."""
    text = old.value.strip(b"\0 ") if old is not None else b""
    kind = old.kind if old is not None else exif.ASCII
    return Entry(kind, (text + b"; " if text else b"") + done.encode() + b"\0")


def make_resolution_tags(block: Block, dpi: tuple[float, float]) -> Directory:
    """Tags for the number of pixels in an inch."""
    return make_density_tags(block, dpi, 2)


def make_density_tags(block: Block, density: tuple[float, float], unit: int) -> Directory:
    """Tags for the number of pixels across and down in a unit of TIFF: 1 is none, 2 an inch."""
    sides = [Fraction(side).limit_denominator(max(1, min(10_000, int(2**31 / side)))) for side in density]
    across, down = (block.numbers(exif.RATIONAL, side.numerator, side.denominator) for side in sides)
    return {
        exif.X_RESOLUTION: across,
        exif.Y_RESOLUTION: down,
        exif.RESOLUTION_UNIT: block.numbers(exif.SHORT, unit),
    }
