"""Frames of different colour profiles are brought to that of the reference, in full depth; it is said, or refused."""

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import ImageCms

from allfocus.core.notes import Note
from allfocus.core.stack import FrameInfo
from allfocus.errors import ReadError, StackError
from allfocus.formats.read import read_metadata, read_profile
from allfocus.metadata.carry import Metadata, enlarge_pixels
from allfocus.metadata.colours import are_same, default_profile, explain_obstacle
from allfocus.metadata.icc import read_colour_space
from allfocus.sources.listing import Listing

#: The code of the note.
CONVERTED = "colours-converted"


def find_profiles(paths: Sequence[Path], frames: Sequence[FrameInfo | None]) -> list[bytes | None]:
    """The profile of each frame; None where it has none for its colours. Damaged ones are handed on as they are."""
    profiles: list[bytes | None] = []
    for path, frame in zip(paths, frames, strict=True):
        profile = None
        if frame is not None:
            try:
                profile = read_profile(path)
                wanted = "gray" if frame.ndim == 2 else "RGB"
                profile = profile if profile and read_colour_space(profile) == wanted else None
            except (ReadError, ValueError):
                profile = profile or None
        profiles.append(profile)
    return profiles


def find_obstacles(
    profiles: Sequence[bytes | None], frames: Sequence[FrameInfo | None], names: Sequence[str]
) -> list[StackError | None]:
    """Why the colours of each frame can't be brought to those of the others, where they differ: most of them decide."""
    known = [k for k, frame in enumerate(frames) if frame is not None]
    found: list[StackError | None] = [None] * len(frames)
    if len({profiles[k] for k in known}) < 2:
        return found
    model = max(known, key=lambda k: (sum(profiles[other] == profiles[k] for other in known), -k))
    for k in known:
        frame = frames[k]
        assert frame is not None
        is_gray = frame.ndim == 2
        if profiles[k] == profiles[model] or are_same(profiles[k], profiles[model], is_gray=is_gray):
            continue
        ends = (profiles[k] or default_profile(is_gray), profiles[model] or default_profile(is_gray))
        obstacle = explain_obstacle(*ends, frame.dtype, is_gray=is_gray)
        if obstacle:
            found[k] = StackError(
                f"frame {k + 1} ({names[k]}) has the colours of {name_profile(profiles[k])}, those of {names[model]} "
                f"are of {name_profile(profiles[model])}, and they can't be converted ({obstacle}): "
                "export all frames with one colour profile"
            )
    return found


def name_profile(profile: bytes | None) -> str:
    """What to call a profile."""
    if not profile:
        return "no profile"
    try:
        read_colour_space(profile)
    except ValueError as error:
        return f"a damaged profile ({error})"
    return read_profile_name(profile) or "an unnamed profile"


def read_profile_name(profile: bytes | None) -> str:
    """What an ICC profile calls itself; `damaged` for one that can't be read, empty for none."""
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "damaged"


def bring_to(listing: Listing, reference: int) -> Listing:
    """The listing whose frames are converted, as they are read, to the colours of one of them, counted from 0.

    Frames without a profile are taken for sRGB, and that is said.
    """
    if not listing.profiles:
        return listing
    is_gray, target = listing.frame.ndim == 2, listing.profiles[reference]
    others = [k for k, own in enumerate(listing.profiles) if not are_same(own, target, is_gray=is_gray)]
    silent = [k for k, own in enumerate(listing.profiles) if own is None]
    parts = []
    if others:
        which = listing.names[others[0]] if len(others) == 1 else f"{len(others)} frames"
        kinds = ", ".join(dict.fromkeys(name_profile(listing.profiles[k]) for k in others))
        parts.append(
            f"colours of {which} ({kinds}) were converted to those of {listing.names[reference]} "
            f"({name_profile(target)})"
        )
    if silent and len(silent) < len(listing):
        which = (
            f"{listing.names[silent[0]]} has no colour profile and counts"
            if len(silent) == 1
            else f"{len(silent)} frames have no colour profile and count"
        )
        parts.append(f"{which} as sRGB")
    notes = [note for note in listing.notes if note.code != CONVERTED]
    if parts:
        frames = tuple(sorted({*others, *silent}))
        notes.append(Note(code=CONVERTED, message="; ".join(parts), frames=frames))
    converted = {k: (listing.profiles[k] or default_profile(is_gray)) for k in others}
    return replace(
        listing,
        notes=tuple(notes),
        conversions=converted,
        profile=target or (default_profile(is_gray) if others else None),
    )


def read_frame_metadata(listing: Listing, position: int) -> Metadata:
    """The metadata of a frame's file, with the profile that its frame has once read, and the sizes of its stack."""
    metadata = read_metadata(listing.path_of(position))
    metadata = replace(
        metadata,
        pixel_size=listing.pixel_size or metadata.pixel_size,
        z_step=listing.z_step or metadata.z_step,
    )
    if listing.whole is not None:
        metadata = enlarge_pixels(metadata, listing.whole.size, listing.frame.size)
    return replace(metadata, icc=listing.profile) if listing.profile is not None else metadata
