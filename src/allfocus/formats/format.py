"""What a file format has to offer: the protocol that every module of this package implements once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from allfocus.core.color import Array
from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError, WriteError
from allfocus.formats.ome_file import OmeFile
from allfocus.metadata.blocks import Blocks
from allfocus.metadata.camera import CameraColours
from allfocus.metadata.carry import Metadata

#: What an encoder makes: the bytes of a file, or of the files in a folder by their names in it.
Content = bytes | Mapping[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What a format can hold when it is written.

    Attributes:
        depths: sample types; samples of any other become the last of them.
        longest: pixels a side; None: no limit that matters.
        gray: whether it has pictures of one channel; if not, gray is stored as RGB.
        alpha: whether it has an alpha channel, transparent pixels included.
        volumes: whether it holds planes along named axes.
        labels: whether volumes have label images beside them.
        iptc: whether it holds IPTC records.
        texts: keys of the texts that it holds; None: any.
    """

    depths: tuple[type[np.generic], ...]
    longest: int | None = None
    gray: bool = True
    alpha: bool = False
    volumes: bool = False
    labels: bool = False
    iptc: bool = False
    texts: tuple[str, ...] | None = ()


@dataclass(frozen=True, kw_only=True)
class Development:
    """What is the same for all RAW frames of a stack, lest their colours or brightness jump.

    Attributes:
        white_balance: factors of red, green, blue and the second green.
        black: the sensor's level for no light, one for each of them.
        white: its level for the brightest light.
        colours: how its channels go with colours; None where that is unknown, or they have none.
    """

    white_balance: tuple[float, ...]
    black: tuple[int, ...]
    white: int
    colours: CameraColours | None = None


@dataclass(frozen=True, kw_only=True)
class PlaneParts:
    """How the planes of a stack are read in parts, so that no plane has to fit into memory.

    Attributes:
        read: samples (n, h, W) or (n, h, W, 3) of some planes in some rows.
        planes, rows: how many of them the file holds in one chunk: read in multiples of these, counted from the first,
            each chunk is read once.
    """

    read: Callable[[slice, slice], Array]
    planes: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class PlaneStack:
    """The planes along Z at one position, time and channel.

    Attributes:
        position, time, channel: counted from 0.
        frames: shape and depth of each plane.
        readers: for each plane, what decodes it; None: it is missing.
        noun: what a plane is called, `plane` or `page`.
        pixel_size, z_step: in µm, where the stacks of a file differ in them; None: see `Planes`.
        parts: how planes are read in parts; None: as a whole only.
        problem: why its planes are missing, where it is known; a line that says what to do.
    """

    position: int
    time: int
    channel: int
    frames: Sequence[FrameInfo]
    readers: Sequence[Callable[[], Array] | None]
    noun: str = "plane"
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    parts: PlaneParts | None = None
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Planes:
    """What a file of planes along axes holds.

    Attributes:
        axes: how many positions (P), times (T), channels (C) and planes (Z) there are.
        stacks: one for each position, time and channel, in this order.
        channel_names: one for each channel.
        position_names: one for each position.
        pixel_size: width and height of a pixel in µm; None where it is unknown.
        z_step: from plane to plane, in µm; None where it is unknown.
        ome_xml: the file's OME-XML; None where it has none.
        notes: how axes were understood that can be understood in several ways.
        others: files beside it that hold some of the planes.
        channel_colors: of the channels, as `RRGGBB`; may be empty.
        time_step: from time to time in seconds; None where it is unknown.
        differ: how positions differ in size or depth, so that only one of them can be fused; empty: they don't.
    """

    axes: Mapping[str, int]
    stacks: Sequence[PlaneStack]
    channel_names: tuple[str, ...]
    position_names: tuple[str, ...]
    pixel_size: tuple[float, float] | None = None
    z_step: float | None = None
    ome_xml: str | None = None
    notes: tuple[Note, ...] = ()
    others: tuple[Path, ...] = ()
    channel_colors: tuple[str, ...] = ()
    time_step: float | None = None
    differ: str = ""


class Format(Protocol):
    """A file format. Errors other than `AllFocusError` that its functions raise count as damage to the file.

    Attributes:
        name: what people call it; what `find_kind` returns.
        extensions: endings of file names, in lower case and with the dot. Content decides what a file is; by
            these, damaged pictures in a folder are found, and a file to be written gets its format.
        contains: what one file holds: a `picture`; one or `planes` along axes; or the `frames` of a video.
        is_raw: whether it holds a sensor's samples, which are linear light.
        by_cameras: whether cameras write it themselves, also as the twin of a RAW file.
        extra: the optional part of allfocus that reading it needs; empty: none.
        capacity: what it can hold; None: it is only read.
        is_folder: whether one picture or volume is a folder, such as OME-Zarr; `sniff` is asked with no bytes then.
    """

    name: str
    extensions: tuple[str, ...] = ()
    contains: Literal["picture", "planes", "frames"] = "picture"
    is_raw: bool = False
    by_cameras: bool = False
    extra: str = ""
    capacity: Capacity | None = None
    is_folder: bool = False

    def sniff(self, start: bytes, path: Path) -> bool:
        """Whether a file that begins with these bytes (up to 64) is in this format."""
        return False

    def is_readable(self) -> bool:
        """Whether the packages that reading needs are installed."""
        return True

    def check(self, path: Path) -> None:
        """Raise `ReadError` for a file that was cut short, as far as that shows without decoding it."""
        return

    def header(self, path: Path) -> "Header":
        """What `read` will return, as far as can be known without decoding the file."""
        raise ReadError(f"{path} can't be read: {self.name} is only written")

    def read(self, path: Path, development: Development | None = None) -> Array:
        """Samples (H, W) or (H, W, C), turned the right way up; alpha, where there is any, is the last channel.

        Args:
            path: the file.
            development: of the stack that a RAW picture belongs to; None: its own.
        """
        raise ReadError(f"{path} can't be read: {self.name} is only written")

    def planes(self, path: Path) -> Planes:
        """What the file holds along its axes, where it `contains` planes; nothing is decoded."""
        raise ReadError(f"{path} is {self.name}, which holds one picture; expected a stack of planes, such as TIFF")

    def images(self, path: Path) -> dict[str, Path]:
        """The images of a folder, by their names, that are each a folder of this format; empty for others."""
        return {}

    def count_frames(self, path: Path) -> int:
        """How many frames a file holds that `contains` frames; 0 where that can't be found out."""
        return 0

    def loss(self, path: Path) -> str:
        """What decoding the frames of a file loses that `contains` frames, such as bits; empty when nothing."""
        return ""

    def frame_reader(self, path: Path, positions: Sequence[int]) -> Callable[[int], Array]:
        """What decodes frames of a file that `contains` frames, each by its position, counted from 0.

        Args:
            path: the file.
            positions: those that may be asked for; asked for in order, none need be decoded twice.
        """
        raise ReadError(f"{path} is {self.name}, which holds one picture; expected a video")

    def develop(self, path: Path) -> Development | None:
        """How to develop a stack of RAW files of which this is the reference; None for other formats."""
        return None

    def blocks(self, path: Path) -> Blocks:
        """Metadata as the file stores it."""
        return Blocks()

    def date(self, path: Path) -> str:
        """When it was taken (``YYYY:MM:DD HH:MM:SS``), where that stands outside of EXIF; empty where it does not."""
        return ""

    def fit(self, metadata: Metadata) -> tuple[Metadata, list[Note]]:
        """Leave out metadata that a file has no place for, beyond the limits in `capacity`, and note it."""
        return metadata, []

    def encode(self, image: Array, metadata: Metadata) -> Content:
        """The bytes of a file; picture and metadata are what `capacity` and `fit` allow."""
        raise WriteError(f"{self.name} is only read; write another format")

    def encode_labelled(self, image: Array, metadata: Metadata, labels: Mapping[str, Array]) -> Content:
        """The same with label images, whole numbers (H, W) by their names, where `capacity` allows labels."""
        raise WriteError(f"{self.name} holds no label images; write OME-Zarr")

    def write_volume(self, part: Path, wanted: OmeFile) -> None:
        """Write planes along axes to a file or folder of this name, where `capacity` allows volumes."""
        raise WriteError(f"{self.name} holds one picture; write OME-TIFF or OME-Zarr")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of a picture before it is decoded.

    Attributes:
        format: what it is.
        frame: shape and depth that `read_image` will return.
        loss: what reading it will lose, such as bits; empty when nothing.
    """

    format: Format
    frame: FrameInfo
    loss: str = ""
