"""From a stack to registered frames: motion, brightness and defects estimated and taken away."""

from collections.abc import Sequence

from allfocus.alignment import (
    AlignOptions,
    apply_alignment,
    estimate_alignment,
    find_defects,
    load_transforms,
    note_defects,
    transfer_alignment,
)
from allfocus.alignment.alignment import Alignment, make_identity, notes_of
from allfocus.alignment.moved_parts import find_moved_parts, note_moved_parts
from allfocus.alignment.scenes import check_content
from allfocus.core.names import find_name
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError, OptionError
from allfocus.options import FusionOptions
from allfocus.registered import Registered, check_alike, note_burnt, note_coverage
from allfocus.run.context import Run
from allfocus.run.workers import one_thread_each
from allfocus.sources.colours import bring_to
from allfocus.sources.inspect import read_stack
from allfocus.sources.listing import Listing
from allfocus.sources.stacks import TOGETHER


def register(
    source: Listing | FocalStack,
    options: FusionOptions,
    run: Run,
    like: Registered | None = None,
    known: Alignment | None = None,
) -> Registered:
    """`align` of what was opened, within a run; with an alignment that is known nothing is estimated."""
    if isinstance(source, Listing) and source.profiles:
        position = find_reference(options.reference, source.names)
        source = bring_to(source, len(source) // 2 if position is None else position)
    return register_stack(read(source, run), source, options, run, like, known)


def read(source: Listing | FocalStack, run: Run) -> FocalStack:
    """The frames of what was opened."""
    return read_stack(source, run) if isinstance(source, Listing) else source


def register_stack(
    stack: FocalStack,
    source: Listing | FocalStack,
    options: FusionOptions,
    run: Run,
    like: Registered | None = None,
    known: Alignment | None = None,
) -> Registered:
    """`register` of frames that were read from `source`; those of files are overwritten."""
    listing = source if isinstance(source, Listing) else None
    names, notes = tuple(stack.names), (*(() if listing is None else listing.notes), *stack.notes)
    reference = find_reference(options.reference, names)
    AlignOptions(reference=reference).check_reference(len(stack))
    with one_thread_each():
        if like is not None:
            check_alike(stack, like)
        is_as_given = (
            (options.align == "none" and options.transforms is None) if like is None else like.alignment is None
        )
        if is_as_given and like is None and options.stack != TOGETHER and not options.keep_all and is_of_files(source):
            check_content(stack, run)
        if is_as_given and stack.is_covered:
            positions = tuple(range(len(stack)))
            notes = (*notes, *note_moved_parts(find_moved_parts(run.in_turn(stack.frames)), positions, names))
            return Registered(
                stack=stack,
                positions=positions,
                names=names,
                notes=notes,
                source=listing,
                asked_reference=reference,
                run=run,
            )
        if is_as_given:
            alignment = make_identity(len(stack), reference)
        else:
            if like is not None:
                alignment = follow(stack, like, options, run)
            elif known is not None:
                alignment = known
            else:
                alignment = find_alignment(stack, options, run)
        if len(alignment.used) < 2:
            raise AlignmentError(
                f"{len(stack) - len(alignment.used)} of {len(stack)} frames are left out; fusing needs at least 2: "
                "use other transforms"
            )
        defects = None if run.in_parts else find_defects(stack, alignment)
        frames, window = apply_alignment(
            stack,
            alignment,
            run,
            area=like.window if like is not None and like.is_cropped else None,
            keep_canvas=options.keep_canvas,
            in_place=listing is not None,
            defects=defects,
        )
        moved = [] if like is not None else find_moved_parts(run.in_turn(frames.frames), frames.covered)
    used = list(alignment.used)
    order = list(alignment.order) or used
    return Registered(
        stack=frames if order == used else frames.pick([used.index(k) for k in order]),
        positions=tuple(order),
        names=names,
        alignment=None if is_as_given else alignment,
        window=window,
        is_cropped=(frames.height, frames.width) != (stack.height, stack.width),
        notes=(
            *notes,
            *notes_of(alignment, names),
            *note_defects(defects),
            *note_coverage(stack, frames),
            *note_burnt(stack, frames, used),
            *note_moved_parts(moved, used, names),
        ),
        source=listing,
        asked_reference=reference,
        run=run,
    )


def is_of_files(source: Listing | FocalStack) -> bool:
    """Whether each frame comes from a file of its own: nothing else says that they are one stack."""
    return isinstance(source, Listing) and len(source.paths) == len(source)


def find_alignment(stack: FocalStack, options: FusionOptions, run: Run) -> Alignment:
    """How the frames lie over each other: loaded or estimated."""
    if options.transforms is not None:
        return load_transforms(options.transforms, len(stack), (stack.height, stack.width))
    wanted = AlignOptions(
        model=None if options.align == "auto" else options.align,
        reference=find_reference(options.reference, stack.names),
        exposure=options.exposure,
        keep_all=options.keep_all,
        together=options.stack == TOGETHER,
        refine=options.refine == "local",
        order=options.order == "focus",
        roughly=options.draft,
    )
    return estimate_alignment(stack, wanted, run)


def follow(stack: FocalStack, like: Registered, options: FusionOptions, run: Run) -> Alignment:
    """The alignment of another channel, for this one."""
    assert like.alignment is not None
    return transfer_alignment(stack, like.alignment, options.exposure, run)


def find_reference(asked: int | str | None, names: Sequence[str]) -> int | None:
    """Position of the reference, counted from 0; a text is a name, or a number counted from 1.

    Raises:
        OptionError: there is no frame of this name or number.
    """
    if asked is None or isinstance(asked, int):
        return asked
    position = find_name(names, asked)
    if position is not None:
        return position
    raise OptionError(f"reference {asked}: expected the name of a frame, or a number from 1 to {len(names)}")
