"""What can be known of a job before any frame is decoded: what would be fused, and all that is wrong."""

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from allfocus.alignment.transforms_file import load_transforms
from allfocus.core.names import find_name
from allfocus.decision.model import require_quality
from allfocus.errors import AllFocusError, EndingError, OptionError, PreflightError, ResourceError, StackError
from allfocus.formats.pixels import limit_pixels
from allfocus.formats.registry import holds_labels, holds_volumes
from allfocus.formats.write import check_output, check_outputs
from allfocus.jobs.events import JobRequest
from allfocus.options import FusionOptions
from allfocus.outputs.files import check_sizes, count_held_bytes, require_sizes
from allfocus.outputs.finish import check_colours
from allfocus.outputs.layers import check_layers
from allfocus.outputs.slabs import parse_slab, parse_slabs, slab_paths
from allfocus.outputs.volume_surfaces import place_surfaces
from allfocus.outputs.wishes import SETTINGS, Outputs, check_wishes
from allfocus.pipeline import check_model
from allfocus.plan import Plan, plan_for
from allfocus.registration import find_reference
from allfocus.run.machine import Machine
from allfocus.sources.draft import reduce_listing, reduce_volume
from allfocus.sources.expand import list_frames
from allfocus.sources.leftovers import leave_out, protect
from allfocus.sources.listing import Listing
from allfocus.sources.open import open_stack
from allfocus.sources.stacks import find_volume
from allfocus.sources.volume import Volume, holds_planes, inspect_volume, pick_position, require_whole
from allfocus.volumes import MAP_NAMES, MapName, options_for_volumes

#: Fields of outputs that volumes know.
OF_VOLUMES = ("image", "beside", "surface", *SETTINGS, *MAP_NAMES)


def check_job(request: JobRequest, machine: Machine | None = None) -> tuple[Listing | Volume, Plan]:
    """Find all that is wrong with a job.

    Returns:
        What would be fused, and what it would take.

    Raises:
        AllFocusError: something is wrong; `PreflightError` where both frames and outputs are.
    """
    check_wishes(request.outputs, request.options, request.slab)
    if request.outputs.out_of_focus or request.outputs.veiled:
        require_quality(request.options.model)
    if request.options.draft and request.strokes:
        raise OptionError("draft: strokes lie on the picture in its own size; leave out one of the two")
    if request.slab is not None:
        parse_slab(request.slab)
    with limit_pixels(request.options.pixel_limit):
        source = open_request(request)
    if isinstance(source, Volume):
        return source, check_volume(request, source, machine)
    return source, check_stack(request, source, machine)


def open_request(request: JobRequest) -> Listing | Volume:
    """The frames or the volume; what is wrong with outputs is found along with what is wrong with frames."""
    paths = list_frames(list(request.frames))
    failed: AllFocusError | None = None
    try:
        check_outputs(request.outputs.pictures, [*protect(paths), *request.settings], request.outputs.texts)
    except AllFocusError as error:
        failed = error
    try:
        source = inspect_request(request, paths)
    except AllFocusError as error:
        raise (PreflightError([failed, error]) if failed else error) from None
    if failed is not None:
        raise failed
    return source


def inspect_request(request: JobRequest, paths: Sequence[Path]) -> Listing | Volume:
    """The volume that a file of planes or a set of files holds, if it is to be fused as one, or the stack."""
    kept, left_out = leave_out(paths)
    volume, found = None, find_volume(kept)
    main = found.main if found is not None else kept[0] if len(kept) == 1 else None
    if main is not None and holds_planes(main) and request.options.stack is None:
        volume = inspect_volume(main)
        if request.position is not None:
            volume = pick_position(volume, request.position)
        if request.plane is None:
            require_whole(volume)
        size = request.outputs.pixel_size
        volume = replace(
            volume,
            z_step=request.outputs.z_step or volume.z_step,
            pixel_size=volume.pixel_size if size is None else (size, size),
        )
        base = request.outputs.base
        if request.plane is not None:
            picked = drop_named(pick_stack(volume, request.plane), request.leave_out)
            return reduce_listing(picked) if request.options.draft else picked
        if len(volume.stacks) > 1 or (base is not None and holds_volumes(base)):
            volume = replace(volume, notes=tuple(left_out))
            return reduce_volume(volume) if request.options.draft else volume
        if request.position is not None:
            picked = drop_named(volume.stacks[0].listing, request.leave_out)
            return reduce_listing(picked) if request.options.draft else picked
    if request.plane is not None:
        raise OptionError(f"{paths[0].name} has no positions, times and channels to choose from; leave the choice out")
    if request.channel_for_focus is not None:
        one = f"{paths[0].name} has one channel only"
        what = one if volume else "only a TIFF file given alone may have several"
        raise OptionError(f"channel-for-focus {request.channel_for_focus}: {what}; leave it out")
    opened = open_stack(list(paths), request.options.order, request.options.stack)
    kept_frames = drop_named(opened, request.leave_out)
    return reduce_listing(kept_frames) if request.options.draft else kept_frames


def pick_stack(volume: Volume, plane: tuple[int, int, int]) -> Listing:
    """The frames of one position, time and channel; raises `OptionError` where there are none."""
    for stack in volume.stacks:
        if (stack.position, stack.time, stack.channel) == plane:
            return stack.require()
    where = ", ".join(str(number + 1) for number in plane)
    raise OptionError(f"{volume.path.name} has no stack at position, time and channel {where}; it has {volume}")


def drop_named(listing: Listing, names: Sequence[str]) -> Listing:
    """The listing without the frames of these names.

    Raises:
        OptionError: there is no such frame.
        StackError: fewer than two are left.
    """
    for name in names:
        if name not in listing.names:
            raise OptionError(f"leave-out {name}: expected the name of a frame, such as {listing.names[0]}")
    kept = [k for k, name in enumerate(listing.names) if name not in names]
    if len(kept) < 2:
        raise StackError(f"{len(kept)} of {len(listing)} frames are not left out; fusing needs at least 2")
    return listing.pick(kept) if names else listing


# --- a stack -------------------------------------------------------------------------------------


def check_stack(request: JobRequest, listing: Listing, machine: Machine | None = None) -> Plan:
    """Check the options and outputs of a stack; returns what it would take."""
    find_reference(request.options.reference, listing.names)
    outputs = [*request.outputs.pictures, *slab_files(request, listing)]
    check_outputs(outputs, [*listing.files, *request.settings], request.outputs.texts)
    check_colours(outputs, [request.outputs.image, *slab_files(request, listing)], listing)
    check_sizes(request.outputs, listing.frame.size)
    check_layers(request.outputs, listing)
    require_sizes(request.outputs, listing)
    check_files(request.options, listing)
    try:
        held = count_held_bytes(request.outputs, listing.frame)
        return plan_for(listing, stack_options(request), machine=machine, held=held)
    except ResourceError as error:
        if listing.parts is None:
            raise
        raise ResourceError(
            f"{error}; written to a name that ends in .ome.zarr or .ome.tif it is fused in parts"
        ) from None


def check_files(options: FusionOptions, listing: Listing) -> None:
    """Raise what is wrong with the transforms or the model, or `MissingExtraError` for a device that can't be used."""
    if options.transforms is not None:
        load_transforms(options.transforms, len(listing), listing.frame.size)
    check_model(options, listing)


def stack_options(request: JobRequest) -> FusionOptions:
    """The options, with depth where an output needs it."""
    return replace(request.options, depth=request.options.depth or request.outputs.need_depth)


def slabs_of(request: JobRequest, listing: Listing) -> list[range]:
    """Positions of the frames of each slab that is wanted, and that has a name to go by."""
    return parse_slabs(request.slab, len(listing)) if request.slab and request.outputs.base else []


def slab_files(request: JobRequest, listing: Listing) -> list[Path]:
    """Where each slab goes."""
    base = request.outputs.base
    return [] if base is None else slab_paths(base, slabs_of(request, listing))


# --- a volume ------------------------------------------------------------------------------------


def check_volume(request: JobRequest, volume: Volume, machine: Machine | None = None) -> Plan:
    """Check the options and outputs of a volume; returns what its first stack would take.

    Raises:
        OptionError: something that volumes can't be asked for, or an unknown channel.
        EndingError: an output that is no OME-TIFF.
    """
    outputs = request.outputs
    others = [item.name for item in fields(Outputs) if item.name not in OF_VOLUMES]
    asked = [name.replace("_", "-") for name in others if getattr(outputs, name)]
    asked += [name for name in ("slab", "leave_out", "strokes") if getattr(request, name)]
    if asked:
        which = "them" if len(asked) > 1 else "it"
        raise OptionError(
            f"{', '.join(asked)}: not made of volumes ({volume}); leave {which} out, or choose one stack with --stack"
        )
    for path in outputs.pictures:
        if not holds_volumes(path):
            better = path.name.removesuffix(path.suffix) + ".ome.tif"
            raise EndingError(f"{path}: pictures and maps of {volume} are OME-TIFF; name it {better}")
        check_output(path)
    if outputs.depth_unit == "um" and (outputs.depth or outputs.depth_error) and volume.z_step is None:
        raise OptionError("depth-unit um: the distance from plane to plane is unknown; give it with --z-step")
    channel = find_channel(request, volume)
    surfaces = [] if outputs.surface is None else place_surfaces(volume, outputs.surface, channel)
    check_outputs(outputs.pictures, [*volume.files, *request.settings], [place.path for place in surfaces])
    beside = 0 if channel is None else volume.axes["C"] - 1
    options = options_for_volumes(request.options, needed_maps(request))
    listing = volume.stacks[0].listing
    check_files(options, listing)
    return plan_for(listing, options, beside, machine, listing.parts)


def volume_maps(request: JobRequest) -> dict[MapName, Path]:
    """The maps that are wanted of a volume, and where each goes."""
    found: dict[MapName, Path | None] = {name: getattr(request.outputs, name) for name in MAP_NAMES}
    return {name: path for name, path in found.items() if path is not None}


def needed_maps(request: JobRequest) -> list[MapName]:
    """The maps to make of a volume: those that are wanted, what surfaces are made of, and labels."""
    outputs, names = request.outputs, list(volume_maps(request))
    if outputs.surface is not None and "depth" not in names:
        names.append("depth")
    if holds_labels(outputs.image) and "index_map" not in names:
        names.append("index_map")
    return names


def find_channel(request: JobRequest, volume: Volume) -> int | None:
    """Position of the channel whose focus counts for all, by its name or its number counted from 1.

    Raises:
        OptionError: there is no such channel.
    """
    asked, names = request.channel_for_focus, list(volume.channel_names)
    if asked is None:
        return None
    position = find_name(names, asked)
    if position is not None:
        return position
    raise OptionError(f"channel-for-focus {asked}: expected one of {', '.join(names)}, or a number from 1")
