"""One HTML page about a fusion, with all pictures inside: it can be moved, mailed, and read without a network."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.options import FusionOptions
from allfocus.outputs.report.html import STATIC, cells, folded, read_static, render_document, text
from allfocus.outputs.report.provenance import Document, provenance, source_of
from allfocus.outputs.report.thumbnails import Figure, coloured, display_gain, grayscale, photo
from allfocus.outputs.words import describe_frame
from allfocus.result import FusionResult
from allfocus.sources.colours import read_frame_metadata
from allfocus.sources.listing import read_frame

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
    options: FusionOptions,
    outputs: Mapping[str, Path],
    seconds: float,
    notes: Sequence[Note] = (),
) -> str:
    """Show a fused picture beside the reference, and what is known of how it was made.

    Args:
        result: what came of a fusion of files.
        options: how it was done.
        outputs: what each file shows, and where it lies; the fused picture first.
        seconds: how long it took.
        notes: what else to say, see `provenance`.

    Returns:
        A complete HTML page that loads nothing from anywhere.

    Raises:
        StackError: the frames came from no files.
        ReadError: a file can't be read any more.
        ModelError: the model can't be loaded any more.
    """
    return render_page(result, provenance(result, options, outputs, seconds, notes))


def render_page(result: FusionResult, facts: Document) -> str:
    """The page of `report_page` from what `provenance` found: files need not be hashed twice."""
    parts = [comparison(result, facts), maps(result), good_to_know(facts), frame_table(facts), particulars(facts)]
    return render_document(
        f"{title_of(facts)} – focus stack",
        "\n".join([heading(facts), *parts]),
        read_static(STATIC / "report.css"),
        script=read_static(STATIC / "report.js"),
        without_script=read_static(STATIC / "noscript.css"),
    )


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


def comparison(result: FusionResult, facts: Document) -> str:
    """The reference and the fused picture on top of each other, with a slider between them."""
    source = source_of(result)
    frame = result.shown(read_frame(source, result.reference))
    fused = result.shown(result.image)
    before = frame if result.window is None else frame[result.window]
    icc = None if result.image.ndim == 2 else read_frame_metadata(source, result.reference).icc
    gain = display_gain(fused)
    name = "one frame" if facts["alignment"] is None else describe_frame(result.reference, result.names)
    hint = f" Shown {gain:.3g} times as bright as stored." if gain != 1 else ""
    return f"""<figure class="compare">
<div class="pair">
{picture(photo(fused, gain, icc), "fused picture", "after")}
{picture(photo(before, gain, icc), f"before: {name} alone", "before")}
</div>
<input type="range" min="0" max="100" value="50" step="1" aria-label="how much of the picture shows one frame alone">
<figcaption>Left: {text(name)} alone. Right: fused.{text(hint)}</figcaption>
</figure>"""


def maps(result: FusionResult) -> str:
    """Where things are in focus, and how sure that is."""
    if result.depth is not None:
        order = result.depth_frames
        where = (
            coloured(result.depth, len(order)),
            "Depth map: at which place of the stack it is in focus",
        )
    else:
        order = tuple(range(result.frame_count))
        where = coloured(result.index_map, len(order)), "Index map: which frame each pixel is from"
    first, last = (f"{position + 1}: {result.names[position]}" for position in (order[0], order[-1]))
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


def good_to_know(facts: Document) -> str:
    """What a user should know about this result."""
    if not facts["notes"]:
        return ""
    points = "\n".join(f"<li>{text(note['message'])}</li>" for note in facts["notes"])
    return f"<h2>Good to know</h2>\n<ul>\n{points}\n</ul>"


def frame_table(facts: Document) -> str:
    """What came of each frame."""
    alignment = facts["alignment"]
    placed = ["shift px", "scale", "rotation", "residual px", "light"] if alignment else []
    head = cells("th", [("", "frame"), ("number", "used"), *(("number", word) for word in placed), ("", "")])
    most = max(frame["share"] for frame in facts["frames"])
    reference = alignment["reference"] if alignment else None
    rows = [frame_row(k, frame, most, k == reference) for k, frame in enumerate(facts["frames"])]
    hint = HINT if alignment else "The frames were taken as registered, without alignment."
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
