"""Names of files taken apart: their text, and the values in it by what these count."""

import re
from dataclasses import dataclass
from typing import Literal

Axis = Literal["channel", "position", "time", "focus", "stamp", ""]

#: Tags of numbers, in lower case, by what they count. MetaMorph, Micro-Manager, ImageJ, Leica, ZEN, NIS-Elements,
#: FluoView, cellSens, Andor, CellVoyager, ImageXpress, IN Cell, EVOS and Keyence use these.
TAGS: dict[Axis, str] = {
    "channel": "c ch chn chan channel w wv wave wavelength filter laser led",
    "position": "s site series scene stage p pos position point xy f fd fld field fov m mosaic tile well region roi "
    "view area angle row col column x y set stack object specimen sample slide scan",
    "time": "t tp tl time timepoint cycle",
    "focus": "z zs zpos zstep zslice zplane slice plane focus focal depth height",
}
AXES: dict[str, Axis] = {tag: axis for axis, tags in TAGS.items() for tag in tags.split()}

#: Names of dyes, of proteins and of ways to illuminate, which stand for channels.
DYES = (
    r"dapi|hoechst|[em]?gfp|e?[ycb]fp|e?rfp|m?cherry|tdtomato|fitc|tritc|tx[ ]?red|texas[ ]?red|rhodamine|cy\d(?:\.5)?|"
    r"alexa(?:fluor)?[ ]?\d{3}|af\d{3}|atto[ ]?\d{3}|bodipy|calcein|phalloidin|bright[ ]?field|bf|dic|far[ ]?red"
)

#: The tag of times since the start, such as 00d01h30m, which stand for nothing else.
ELAPSED = "elapsed"

#: A serial number, and the letter that stands for each of its own while the rest of the name is looked at.
SERIAL, HIDDEN = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"), "\x01"

#: What stands for one value in a name. The focus may have a sign and decimals; a time of day follows a date.
VALUE = re.compile(
    rf"""
    (?P<serial>{HIDDEN}+)
    | (?P<elapsed>(?:\d+y\d+m)?\d+d_?\d+h\d+m(?:\d+s)?)
    | (?P<date>(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d(?:[-_\ t.]|\ at\ ){{1,3}}
        (?:\d{{6}}\d*|\d\d[-_.:h]\d\d[-_.:m]\d\d(?:\.\d+)?)(?!\d))
    | (?P<clock>(?<!\d)\d\d[-.:]\d\d[-.:]\d\d(?!\d))
    | (?P<focus>(?<![a-z])(?:z|zpos|focus|depth|height)[-_ ]?(?P<height>[-+]?\d+(?:\.\d+(?!\d*x))?))
    | (?P<dye>(?:(?<![a-z])|(?<=channel)|(?<=ch))(?:{DYES})(?![a-z]))
    | (?P<number>\d+)
    """,
    re.VERBOSE,
)

#: Harmony's names mean row, column, field and plane by letters that mean other things elsewhere.
HARMONY = re.compile(r"r\d+c\d+f\d+p\d+-ch\d+")
OF_HARMONY: dict[str, Axis] = {"r": "position", "c": "position", "f": "position", "p": "focus", "sk": "time"}


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value in a name.

    Attributes:
        text: as it is written, in lower case; leading zeros are left out of numbers.
        axis: what it counts; `stamp` for what can only tell files apart; empty where that is not known.
        tag: the letters before it.
        span: where in the name it stands.
    """

    text: str
    axis: Axis
    tag: str
    span: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Name:
    """A file's name, taken apart: its text, with a mark in place of each value, and the values."""

    text: str
    values: tuple[Value, ...]


def parse_name(name: str) -> Name:
    """Take a name apart, without its ending."""
    stem = strip_endings(name)
    lower = stem.lower() if len(stem.lower()) == len(stem) else stem
    lower = SERIAL.sub(lambda found: HIDDEN * len(found[0]), lower)
    own = OF_HARMONY if HARMONY.match(lower) else {}
    values, pieces, end = [], [], 0
    for found in VALUE.finditer(lower):
        before = lower[end : found.start()]
        value = read_value(found, stem[end : found.start()], stem[found.start() : found.end()], own)
        pieces.append(before if not value.tag or found["focus"] is None else before + value.tag)
        values.append(value)
        end = found.end()
    return Name(text="\0".join([*pieces, lower[end:]]), values=tuple(values))


def strip_endings(name: str) -> str:
    """A file's name without its ending, or two of OME-TIFF."""
    stem = name.rpartition(".")[0] or name
    return stem[: -len(".ome")] if stem.lower().endswith(".ome") else stem


def read_value(found: re.Match[str], before: str, whole: str, own: dict[str, Axis]) -> Value:
    """One value, written as `whole`: what it counts follows from the letters before it."""
    kind, span = found.lastgroup or "", found.span()
    if kind in ("serial", "date", "clock"):
        return Value(text=whole, axis="stamp", tag="", span=span)
    if kind == "elapsed":
        return Value(text=found[0], axis="time", tag=ELAPSED, span=span)
    if kind == "dye":
        return Value(text=found[0], axis="channel", tag="", span=span)
    if found["focus"] is not None:
        tag = re.sub(r"[^a-z]", "", found[0].partition(found["height"])[0])
        return Value(text=found["height"].lstrip("0") or "0", axis="focus", tag=tag, span=span)
    tag = find_tag(before)
    return Value(text=found[0].lstrip("0") or "0", axis=own.get(tag, AXES.get(tag, "")), tag=tag, span=span)


def find_tag(before: str) -> str:
    """The tag at the end of the text before a number: a word, or one letter that stands right before it."""
    word = re.search(r"([A-Za-z]+)[-_ ]?\Z", before)
    if word is None or (len(word[1]) == 1 and word[0] != word[1]):
        return ""
    run = word[1]
    inner = re.search(r"[a-z]([A-Z][a-z]*|XY)\Z", run)  # StackZ01
    tag = (inner[1] if inner is not None else run).lower()
    return "xy" if tag not in AXES and tag.endswith("xy") else tag
