"""Frames that show several scenes are refused, with the scenes named and how to choose one."""

from collections.abc import Sequence
from itertools import pairwise

from allfocus.alignment.chain import Chain
from allfocus.core.likeness import MANY, are_alike, group_scenes
from allfocus.core.stack import FocalStack
from allfocus.errors import AlignmentError
from allfocus.run.context import Run

#: How many scenes a message lists.
MOST_NAMED = 8


def check_links(stack: FocalStack, chain: Chain) -> None:
    """Raise `AlignmentError` where frames show several scenes: they match within each, and are unlike otherwise.

    A few frames of another scene than most are left to the screening. Frames that don't match may still look alike, as
    those of a stack without detail do; only two of them are never refused.
    """
    largest = chain.find_largest_group()
    if len(largest) == 1 and len(stack) >= MANY and not any(are_alike(*pair) for pair in pairwise(stack.frames)):
        raise AlignmentError(
            f"the {len(stack)} frames show a scene each: no two match, or look alike; give the frames of one scene; "
            "--stack together takes all for one stack"
        )
    fewest = MANY if 2 * len(largest) > len(stack) else 2
    groups = [[k for k, own in enumerate(chain.roots) if own == root] for root in dict.fromkeys(chain.roots)]
    model = stack.frames[largest[len(largest) // 2]]
    others = [group for group in groups if len(group) >= fewest and group != largest]
    others = [group for group in others if not are_alike(stack.frames[group[len(group) // 2]], model)]
    if others:
        by_content = group_scenes(stack.frames)
        refuse(by_content if len(by_content) > 1 else sorted([largest, *others]), stack.names, len(by_content) > 1)


def check_content(stack: FocalStack, run: Run) -> None:
    """Raise `AlignmentError` where frames that are not to be aligned show several scenes by their content alone."""
    scenes = group_scenes(run.in_turn(stack.frames))
    if len(scenes) > 1:
        refuse(scenes, stack.names, is_told_by_content=True)


def refuse(scenes: Sequence[Sequence[int]], names: Sequence[str], is_told_by_content: bool) -> None:
    """Raise `AlignmentError` for frames of several scenes; those told by content can be chosen, see `choose_scene`."""
    listed = [
        f"{number}: {name_scene(scene, names)} ({len(scene)} frames)" for number, scene in enumerate(scenes, start=1)
    ]
    more = f" and {len(scenes) - MOST_NAMED} more" if len(scenes) > MOST_NAMED else ""
    choose = "choose one with --stack 1, or " if is_told_by_content else ""
    raise AlignmentError(
        f"the frames show {len(scenes)} scenes: {'; '.join(listed[:MOST_NAMED])}{more}. Fuse each by itself: {choose}"
        "name its frames, or move them to a folder of their own; --stack together takes all for one stack"
    )


def name_scene(scene: Sequence[int], names: Sequence[str]) -> str:
    """The first and the last of the frames of a scene."""
    return f"{names[scene[0]]} to {names[scene[-1]]}"
