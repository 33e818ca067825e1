"""One HTML page about a fusion, with all pictures inside: it can be moved, mailed, and read without a network."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from allfocus.core.color import Array
from allfocus.options import FusionOptions
from allfocus.outputs.report.look import SCRIPT, STYLE, WITHOUT_SCRIPT
from allfocus.outputs.report.provenance import Document, provenance, shortcomings
from allfocus.outputs.report.thumbnails import Figure, coloured, display_gain, grayscale, photo
from allfocus.result import FusionResult
from allfocus.sources.listing import Listing

#: What stands where there is nothing to say.
NOTHING = "–"
#: What the columns of the table of frames mean.
HINT = (
    "Shift to the right and down, scale and clockwise rotation in the middle of the picture, and light are those of "
    "the frame against the reference, before it was laid over it. The residual is how far things are from where the "
    "frame before has them, on average, after that."
)


def report_page(
    result: FusionResult,
    listing: Listing,
    options: FusionOptions,
    outputs: Mapping[str, Path],
    seconds: float,
    reference_frame: Array,
    *,
    notes: Sequence[str] = (),
    icc: bytes | None = None,
    document: Document | None = None,
) -> str:
    """Show a fused picture beside the reference, and what is known of how it was made.

    Args:
        result: what came of the fusion.
        listing: the files that went in.
        options: how it was done.
        outputs: what each file shows, and where it lies; the fused picture first.
        seconds: how long it took.
        reference_frame: the frame that the others were laid over, all of it; without alignment any frame.
        notes: what else to say, see `provenance`.
        icc: colour profile of the frames, if they have one of their own.
        document: what `provenance` found, where it has been called already: files need not be hashed twice.

    Returns:
        A complete HTML page that loads nothing from anywhere.

    Raises:
        ReadError: a file can't be read any more.
        ModelError: the model can't be loaded any more.
    """
    facts = provenance(result, listing, options, outputs, seconds, notes=notes) if document is None else document
    parts = [
        heading(facts),
        comparison(result, facts, reference_frame, icc),
        maps(result, listing),
        warnings(facts),
        frame_table(facts),
        particulars(facts),
    ]
    return wrapped(f"{title_of(facts)} – focus stack", "\n".join(parts))


def wrapped(title: str, body: str) -> str:
    """A page; its policy lets nothing be loaded, and no script run but its own."""
    own = b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{own}'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text(title)}</title>
<style>{STYLE}</style><noscript><style>{WITHOUT_SCRIPT}</style></noscript></head>
<body>
<main>
{body}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def text(value: object) -> str:
    """A value, safe to stand in a page; bytes in a file's name that are no UTF-8 are spelled out."""
    return escape(str(value).encode("utf-8", "backslashreplace").decode("utf-8"))


# --- pictures ------------------------------------------------------------------------------------


def heading(facts: Document) -> str:
    """The title, and in one line what was done."""
    stack, area = facts["stack"], facts["area"]
    kind = f"{stack['width']} × {stack['height']} px, {stack['channels']}, {stack['samples']}"
    by = {"network": "the network", "laplacian": "the Laplacian rule"}[facts["method"]]
    cropped = f" Cropped to {area['width']} × {area['height']} px, what all frames saw." if area["is_cropped"] else ""
    line = f"{stack['frames']} frames of {kind}, fused by {by} in {facts['seconds']:.1f} s.{cropped}"
    return f"<h1>{text(title_of(facts))}</h1>\n<p>{text(line)}</p>"


def title_of(facts: Document) -> str:
    """The name of the fused picture."""
    return Path(facts["outputs"][0]["path"]).name if facts["outputs"] else "Fused picture"


def comparison(result: FusionResult, facts: Document, reference_frame: Array, icc: bytes | None) -> str:
    """The reference and the fused picture on top of each other, with a slider between them."""
    before = reference_frame if result.window is None else reference_frame[result.window]
    gain = display_gain(result.image)
    name = "one frame" if facts["alignment"] is None else facts["frames"][facts["alignment"]["reference"]]["name"]
    hint = f" Shown {gain:.3g} times as bright as stored." if gain != 1 else ""
    return f"""<figure class="compare">
<div class="pair">
{picture(photo(result.image, gain, icc), "fused picture", "after")}
{picture(photo(before, gain, icc), f"before: {name} alone", "before")}
</div>
<input type="range" min="0" max="100" value="50" step="1" aria-label="how much of the picture shows one frame alone">
<figcaption>Left: {text(name)} alone. Right: fused.{text(hint)}</figcaption>
</figure>"""


def maps(result: FusionResult, listing: Listing) -> str:
    """Where things are in focus, and how sure that is."""
    first, last = f"1: {listing.names[0]}", f"{len(listing)}: {listing.names[-1]}"
    if result.depth is not None:
        where = coloured(result.depth, len(listing)), "Depth map: at which place of the stack it is in focus"
    else:
        where = coloured(result.index_map, len(listing)), "Index map: which frame each pixel is from"
    sure = grayscale(result.confidence), "Confidence: how sure the choice is"
    return f"""<h2>Where it is from</h2>
<div class="maps">
{legend_below(*where, "viridis", first, last)}
{legend_below(*sure, "grays", "a guess", "certain")}
</div>"""


def legend_below(shown: Figure, caption: str, ramp: str, first: str, last: str) -> str:
    """A map, what it shows, and what its first and last colours mean."""
    return f"""<figure>
{picture(shown, caption)}
<div class="ramp {ramp}"></div>
<div class="ends"><span>{text(first)}</span><span>{text(last)}</span></div>
<figcaption>{text(caption)}</figcaption>
</figure>"""


def picture(shown: Figure, alt: str, kind: str = "map") -> str:
    """One picture with its data."""
    size = f'width="{shown.width}" height="{shown.height}"'
    return f'<img class="{kind}" alt="{text(alt)}" {size} src="{shown.data}">'


# --- words and tables ----------------------------------------------------------------------------


def warnings(facts: Document) -> str:
    """What a user should know about this result."""
    lines = [*shortcomings(facts["flaws"]), *facts["notes"]]
    if not lines:
        return ""
    points = "\n".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<h2>Good to know</h2>\n<ul>\n{points}\n</ul>"


def frame_table(facts: Document) -> str:
    """What came of each frame."""
    alignment = facts["alignment"]
    placed = ["shift px", "scale", "rotation", "residual px", "light"] if alignment else []
    head = cells("th", [("", "frame"), ("number", "used"), *(("number", word) for word in placed), ("", "")])
    most = max(frame["share"] for frame in facts["frames"])
    reference = alignment["reference"] if alignment else None
    rows = [frame_row(k, frame, most, k == reference) for k, frame in enumerate(facts["frames"])]
    hint = HINT if alignment else "The frames were taken as they are, without alignment."
    return f"""<h2>Frames</h2>
<div class="wide" tabindex="0" role="region" aria-label="table of frames">
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{"".join(rows)}</tbody>
</table>
</div>
<p class="hint">{hint}</p>"""


def frame_row(position: int, frame: Document, most: float, is_reference: bool) -> str:
    """One frame; its bar is as long as its share of the largest share."""
    remark = "reference" if is_reference else ""
    if frame["left_out"]:
        remark = f"left out: {frame['left_out']}"
    bar = f'<span class="bar"><i style="width:{100 * frame["share"] / most:.1f}%"></i></span>'
    used = f'<td class="number">{frame["share"]:.1%}{bar}</td>'
    name = cells("td", [("name", f"{position + 1}: {frame['name']}")])
    placed = cells("td", [("number", word) for word in placing_words(frame)]) if "matrix" in frame else ""
    kind = ' class="unused"' if frame["left_out"] else ""
    return f"<tr{kind}>{name}{used}{placed}{cells('td', [('text', remark)])}</tr>\n"


def placing_words(frame: Document) -> list[str]:
    """How a frame was laid over the reference, a word for each column; one that is left out was not."""
    if frame["left_out"]:
        return [NOTHING] * 5
    light = " / ".join(f"{gain:.3f}" for gain in frame["gain"])
    if frame["offset"]:
        light += f" {signed(frame['offset'], 4)}"
    return [
        ", ".join(signed(part, 2) for part in frame["shift"]),
        f"{100 * frame['scale']:.3f} %",
        f"{signed(frame['rotation'], 3)}°",
        NOTHING if frame["residual"] is None else f"{frame['residual']:.2f}",
        light,
    ]


def signed(value: float, decimals: int) -> str:
    """A number with its sign; what rounds to nothing has none."""
    rounded = round(value, decimals)
    return f"{rounded:+.{decimals}f}" if rounded else f"{0:.{decimals}f}"


def particulars(facts: Document) -> str:
    """What is needed to do it again: files with their hashes, options and versions, folded in."""
    files = [(file["path"], f"{file['bytes']:,} bytes", file["sha256"]) for file in facts["inputs"]]
    model = facts["model"]
    name = f"{model['name']} ({model['path'] or 'shipped'})" if model else NOTHING
    network = [("network", name), ("network's SHA-256", model["sha256"] if model else NOTHING)]
    options = [(name, NOTHING if value is None else value) for name, value in facts["options"].items()]
    program = [("allfocus", facts["allfocus"]), *facts["versions"].items(), ("made", facts["time"])]
    return "\n".join(
        [
            "<h2>How to make it again</h2>",
            folded(f"Input files ({len(files)}), with their SHA-256", files),
            folded("Options", [*options, *network]),
            folded("Versions", program),
            folded("Files written", [(file["path"], file["shows"]) for file in facts["outputs"]]),
        ]
    )


def folded(summary: str, rows: Iterable[tuple[object, ...]]) -> str:
    """A table that shows when it is asked for."""
    lines = "".join(f"<tr>{cells('td', [('', value) for value in row])}</tr>\n" for row in rows)
    return f"<details><summary>{text(summary)}</summary>\n<table><tbody>\n{lines}</tbody></table>\n</details>"


def cells(tag: str, values: Iterable[tuple[str, object]]) -> str:
    """Cells of a table, each with its class and what it says."""
    return "".join(
        f'<{tag} class="{kind}">{text(value)}</{tag}>' if kind else f"<{tag}>{text(value)}</{tag}>"
        for kind, value in values
    )
