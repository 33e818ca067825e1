"""What stacks are called: names that any file system takes."""

import re

from allfocus.sources.stacks import FoundStack


def make_label(stack: FoundStack) -> str:
    """What a stack of several in one folder is called: what its files' names have in common, or the first one's."""
    first = strip(stack.paths[0].name)
    if "*" not in stack.name or " to " in stack.name:
        return clean(first)
    pattern = strip(stack.name.rpartition("/")[2].replace("[0-9]*", "*"))
    pieces = re.sub(
        r"(?:(?<![A-Za-z])(?:z|slice|plane|focus|step|img|frame)?[-_ ]?)?\*", "", pattern, flags=re.IGNORECASE
    )
    label = re.sub(r"[-_. ]+$", "", re.sub(r"([-_. ])[-_. ]+", r"\1", pieces)).lstrip("-_. ")
    return clean(label or first)


def strip(name: str) -> str:
    """A file's name without its ending, or two of OME's."""
    stem = name.rpartition(".")[0] or name
    return stem[: -len(".ome")] if stem.lower().endswith(".ome") else stem


#: What Windows takes for devices, whatever follows after a dot.
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]) *(\.|$)", re.IGNORECASE)


def clean(name: str) -> str:
    """A name that any file system takes, without characters that mean something to a shell or a page."""
    cleaned = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|{}]+', "_", name).strip(" .")[:150].rstrip(" .")
    return f"_{cleaned}" if DEVICES.match(cleaned) else cleaned or "stack"
