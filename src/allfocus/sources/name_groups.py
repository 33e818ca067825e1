"""Groups by the names of files: which part of a name counts planes, and which parts tell stacks apart.

The rule, in order:

1. A name is text and numbers. A number has a tag, the letters before it: ``z012``, ``_ch00``, ``Pos001``. Names of dyes
   are values too. Dates with a time of day, and serial numbers like a UUID, are one number each.
2. Names of different text are different groups, where most of them share their text with another.
3. Where a single number varies it counts the planes, whatever its tag: ``stack_c_001``, ``a_t1``, ``IMG_0001``.
4. Where several vary, one of them counts the planes: that tagged as focus; else the last untagged one; else times; else
   positions. Each of the others marks groups, unless it is different in every file or says the same as that of the
   planes. Untagged ones mark groups only if the planes are counted anew in each.
"""

import re
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import escape
from itertools import pairwise

from allfocus.sources.names import ELAPSED, Name, Value, parse_name


@dataclass(frozen=True, kw_only=True)
class NameGroup:
    """Files whose names belong together.

    Attributes:
        positions: of the names, in the order given.
        pattern: what to type for them; their first and last name where no pattern stands for them alone.
        planes: what counts their planes, where that clearly is another axis: `channel`, `position` or `time`.
    """

    positions: tuple[int, ...]
    pattern: str
    planes: str = ""


def group_names(names: Sequence[str]) -> list[NameGroup]:
    """Groups of the names of files in one folder, by the rule above; one group where they are one stack."""
    parsed = [parse_name(name) for name in names]
    classes = find_classes(parsed)
    groups = [group for positions in classes for group in split_values(positions, parsed)]
    if len(groups) > 1:
        grouped = {k for group in groups for k in group}
        groups += [[k] for k in range(len(names)) if k not in grouped]
    else:
        groups = [list(range(len(names)))]
    groups.sort(key=lambda group: group[0])
    ordered = sorted(names)
    return [
        NameGroup(
            positions=tuple(group),
            pattern=make_pattern([names[k] for k in group], [parsed[k] for k in group], ordered),
            planes=find_other_axis([parsed[k] for k in group]),
        )
        for group in groups
    ]


# --- groups --------------------------------------------------------------------------------------


def find_classes(parsed: Sequence[Name]) -> list[list[int]]:
    """Positions of names of the same text; none where most share their text with no other.

    Names that go on behind a time of day, as those of one burst do, are of the same text as those that end there.
    """
    texts: defaultdict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(parsed):
        texts[shorten_burst(name)].append(position)
    classes = [positions for positions in texts.values() if len(positions) > 1]
    return classes if 2 * len(texts) <= len(parsed) or len(classes) == 1 else []


def shorten_burst(name: Name) -> str:
    """The text of a name up to its last time of day."""
    stamps = [place for place, value in enumerate(name.values) if value.axis == "stamp"]
    rest = name.text.split("\0")
    is_burst = bool(stamps) and all(value.axis == "" for value in name.values[stamps[-1] + 1 :])
    return "\0".join(rest[: stamps[-1] + 1]) if is_burst and stamps[-1] + 1 >= len(name.values) - 1 else name.text


def split_values(positions: Sequence[int], parsed: Sequence[Name]) -> list[list[int]]:
    """Groups of names of the same text, by the values that mark them."""
    counts = {len(parsed[k].values) for k in positions}
    if len(counts) != 1:
        return [list(positions)]
    columns = list(zip(*(parsed[k].values for k in positions), strict=True))
    marks = find_marks([column for column in columns if len({value.text for value in column}) > 1])
    groups: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, position in enumerate(positions):
        groups[tuple(column[row].text for column in marks)].append(position)
    return list(groups.values())


def find_marks(columns: Sequence[Sequence[Value]]) -> list[Sequence[Value]]:
    """Of the values that vary, a column each, those that mark groups."""
    if len(columns) < 2:
        return []
    planes = find_planes(columns)
    marks = [column for column in columns if column is not planes and is_mark(column, planes)]
    # a running number is no mark by itself: there must be several files for most of its values
    groups = len({tuple(value.text for value in row) for row in zip(*marks, strict=True)})
    return marks if 2 * groups <= len(planes) else [column for column in marks if column[0].axis == "channel"]


def find_planes(columns: Sequence[Sequence[Value]]) -> Sequence[Value]:
    """The column that counts the planes."""
    for axis in ("focus", ELAPSED, "", "stamp", "time", "position", "channel"):
        fitting = [column for column in columns if axis in (column[0].axis, column[0].tag or None)]
        repeated = [column for column in fitting if not is_unique(column)]
        if fitting:
            return (repeated or fitting)[-1]
    return columns[-1]


def is_mark(column: Sequence[Value], planes: Sequence[Value]) -> bool:
    """Whether a column marks groups, beside that of the planes."""
    axis = column[0].axis
    if is_unique(column):
        return False
    if axis == "channel" or (axis == "position" and len(column[0].tag) > 1):
        return True
    if is_unique(planes):
        return axis in ("position", "time") and planes[0].axis != "focus"
    follows = {value.text: other.text for value, other in zip(planes, column, strict=True)}
    return any(follows[value.text] != other.text for value, other in zip(planes, column, strict=True))


def is_unique(column: Sequence[Value]) -> bool:
    """Whether each file has another value."""
    return len({value.text for value in column}) == len(column)


def find_other_axis(names: Sequence[Name]) -> str:
    """The tag of what counts the planes of a group, where that clearly names channels, positions or times."""
    if len({len(name.values) for name in names}) != 1:
        return ""
    columns = zip(*(name.values for name in names), strict=True)
    varying = [column for column in columns if len({value.text for value in column}) > 1 and column[0].axis != "stamp"]
    planes = find_planes(varying)[0] if varying else None
    if planes is None or planes.axis in ("focus", "") or (len(planes.tag) == 1 and planes.tag != "w"):
        return ""
    return planes.axis


# --- what to type --------------------------------------------------------------------------------


def make_pattern(group: Sequence[str], parsed: Sequence[Name], ordered: Sequence[str]) -> str:
    """A pattern that the names of a group match and no others of `ordered`; its first and last name without one."""
    if len(group) == 1:
        return group[0]
    for star in ("*", "[0-9]*"):
        pattern = star_pattern(group, parsed, star)
        literal = re.match(r"[^*?[]*", pattern)
        start = literal[0] if literal is not None else ""
        near = ordered[bisect_left(ordered, start) : bisect_left(ordered, start + chr(sys.maxunicode))]
        if pattern and [name for name in near if fnmatchcase(name, pattern)] == sorted(group):
            return pattern
    return f"{group[0]} to {group[-1]}"


def star_pattern(names: Sequence[str], parsed: Sequence[Name], star: str) -> str:
    """The first name with a star for each value that varies; empty where the names differ otherwise."""
    if len({len(name.values) for name in parsed}) != 1:
        return ""
    pattern, end = "", 0
    for column in zip(*(name.values for name in parsed), strict=True):
        start, stop = column[0].span
        is_same = len({name[value.span[0] : value.span[1]] for name, value in zip(names, column, strict=True)}) == 1
        tag = re.match(r"[A-Za-z]*[-_ ]?", names[0][start:stop] if column[0].axis == "focus" else "")
        varying = escape(tag[0] if tag is not None else "") + star
        pattern += escape(names[0][end:start]) + (escape(names[0][start:stop]) if is_same else varying)
        end = stop
    return re.sub(r"\*+", "*", pattern + escape(names[0][end:]))


def find_missing(names: Iterable[str]) -> list[str]:
    """Names that are missing between those of a stack that a single number counts; none where gaps are the rule."""
    listed = list(names)
    parsed = [parse_name(name) for name in listed]
    if len(listed) < 3 or len({(name.text, len(name.values)) for name in parsed}) != 1:
        return []
    columns = list(zip(*(name.values for name in parsed), strict=True))
    varying = [column for column in columns if len({value.text for value in column}) > 1]
    if len(varying) != 1 or not all(value.text.isdecimal() for value in varying[0]):
        return []
    numbers = sorted({int(value.text) for value in varying[0]})
    step, _ = Counter(after - before for before, after in pairwise(numbers)).most_common(1)[0]
    is_regular = all((number - numbers[0]) % step == 0 for number in numbers)
    if len(numbers) < len(listed) or not is_regular or numbers[-1] - numbers[0] >= step * 2 * len(numbers):
        return []
    missing = sorted(set(range(numbers[0], numbers[-1], step)) - set(numbers))
    start, stop = varying[0][0].span
    digits = re.search(r"\d+\Z", listed[0][start:stop])
    width = len(digits[0]) if digits is not None else 1
    return [f"{listed[0][: stop - width]}{number:0{width}d}{listed[0][stop:]}" for number in missing]
