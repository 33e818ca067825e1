"""What a fusion gives, as files and as lines to print."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from allfocus.errors import ConfigError, WriteError

if TYPE_CHECKING:
    from allfocus.io import Listing, Picture
    from allfocus.stack import FusionResult

#: Endings of maps: formats that keep numbers as they are and know gray.
MAP_SUFFIXES = (".png", ".tif", ".tiff")

#: Share of the picture from which on another shot is worth the advice.
WORTH_A_SHOT = 0.005


def check_maps(paths: Sequence[Path]) -> None:
    """Raise `WriteError` for a map whose ending stands for a format that would change its numbers."""
    for path in paths:
        if path.suffix.lower() not in MAP_SUFFIXES:
            raise WriteError(f"{path}: maps are written as {', '.join(MAP_SUFFIXES)}; other formats change numbers")


def picture(result: "FusionResult", output: Path, listing: "Listing") -> "Picture":
    """The fused picture, with what the reference says beside its pixels."""
    from allfocus import io

    reference = result.alignment.reference if result.alignment else result.frame_count // 2
    source = listing.paths[reference if len(listing.paths) == len(listing) else 0]
    frames = len(result.alignment.used) if result.alignment else result.frame_count
    metadata = io.finished(io.read_metadata(source), frames=frames, size=result.image.shape[:2])
    return io.Picture(output, result.image, metadata)


def maps(
    result: "FusionResult",
    index_map: Path | None,
    confidence: Path | None,
    depth: Path | None,
    depth_preview: Path | None,
) -> "list[Picture]":
    """What to write where: indices as they are in 8 bits where those do, confidence and depth as 16-bit gray."""
    from allfocus import depth as depths
    from allfocus.color import from_unit
    from allfocus.io import Picture

    wanted: list[Picture] = []
    if index_map is not None:
        wanted.append(Picture(index_map, result.index_map.astype("uint8" if result.frame_count <= 256 else "uint16")))
    if confidence is not None:
        wanted.append(Picture(confidence, from_unit(result.confidence, "uint16")))
    if depth is not None and result.depth is not None:
        wanted.append(Picture(depth, from_unit((result.depth / (result.frame_count - 1)).astype("float32"), "uint16")))
    if depth_preview is not None and result.depth is not None:
        wanted.append(Picture(depth_preview, depths.depth_preview(result.depth, result.frame_count)))
    return wanted


def transforms(result: "FusionResult", path: Path | None, listing: "Listing") -> "list[Picture]":
    """The file of transforms, if it is wanted."""
    from allfocus.align import dump_transforms
    from allfocus.io import Picture

    if path is None or result.alignment is None:
        return []
    return [Picture(path, dump_transforms(result.alignment, listing.names, listing.frame.size))]


def masks(result: "FusionResult", unsharp: Path | None, veiled: Path | None) -> "list[Picture]":
    """The masks of what can't be trusted, white where it is so, 8-bit gray."""
    from allfocus.io import Picture

    if result.flaws is None:
        return []
    named = ((unsharp, result.flaws.unsharp), (veiled, result.flaws.veiled))
    return [Picture(path, mask.astype("uint8") * 255) for path, mask in named if path is not None]


def shortcomings(result: "FusionResult", names: Sequence[str]) -> list[str]:
    """What no choice among the frames could give, a line each."""
    flaws = result.flaws
    if flaws is None:
        return []
    unsharp = f"sharp in no frame: {flaws.unsharp.mean():.1%} of the picture"
    if flaws.gap is not None and flaws.unsharp.mean() >= WORTH_A_SHOT:
        one, other = flaws.gap
        place = f"between {names[one]} and {names[other]}" if one != other else f"next to {names[one]}"
        unsharp += f", most of it {place}: another shot focused there would help"
    return [unsharp, f"veiled by the blur of something nearer: {flaws.veiled.mean():.1%} of the picture"]


def registration(result: "FusionResult", names: Sequence[str]) -> list[str]:
    """How the frames were laid over each other, a line; none where nothing was done."""
    from allfocus.stack import size_of

    found = result.alignment
    if found is None:
        return []
    brightened = sum(not tone.is_same for tone in found.tones)
    moved = "nothing moved" if found.model == "none" else f"{found.model}, laid over {names[found.reference]}"
    known = [residual for residual in found.residuals if residual == residual]
    left = f", {sum(known) / len(known):.2f} px left on average" if known and found.model != "none" else ""
    light = f", {brightened} of {len(names)} frames brought to its brightness" if brightened else ""
    cropped = f", cropped to {size_of(result.image)}" if result.is_cropped else ""
    return [f"alignment: {moved}{left}{light}{cropped}"]


def position_of(reference: str | None, names: Sequence[str]) -> int | None:
    """Position of a frame that is given by its name, or by its number counted from 1.

    Raises:
        ConfigError: there is no such frame.
    """
    if reference is None:
        return None
    if reference in names:
        return names.index(reference)
    if reference.isdecimal() and 1 <= int(reference) <= len(names):
        return int(reference) - 1
    raise ConfigError(f"reference {reference}: expected the name of a frame, or a number from 1 to {len(names)}")


def summary(output: Path, listing: "Listing", result: "FusionResult", seconds: float) -> str:
    """One line: what was made of what, and how long it took."""
    from allfocus.stack import channels_of, size_of

    kind = f"{size_of(listing.frame)} {channels_of(listing.frame)} {listing.frame.dtype}"
    return f"{output}: {len(listing)} frames, {kind}, {result.method}, {seconds:.1f} s"


def legend(names: Sequence[str]) -> str:
    """Which number stands for which frame; of a long stack only the ends."""
    numbered = [f"{number} = {name}" for number, name in enumerate(names)]
    return ", ".join(numbered if len(numbered) <= 6 else [*numbered[:2], "...", numbered[-1]])
