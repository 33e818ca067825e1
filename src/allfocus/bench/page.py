"""One HTML page of crops at 100 %, with the pictures inside, so that it can be moved and mailed."""

import math
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

from allfocus.bench.rows import Crop, Row
from allfocus.outputs.report.html import read_static, render_document, text

#: Crops on the page at most; scenes with a truth come first, then where the difference is largest.
MOST_CROPS = 40

#: The style sheet of the page.
STYLE = Path(__file__).parent / "static" / "crops.css"


def render_page(rows: Sequence[Row]) -> str:
    """Show, for each scene and method, the square where the result falls furthest short of the oracle.

    Where there is no truth it is the square furthest from the Laplacian rule, which need not be wrong there.

    Args:
        rows: those with a `crop` are shown, `MOST_CROPS` at most.

    Returns:
        A complete HTML page without links to anything outside it.
    """
    shown = [(row, row.crop) for row in rows if row.crop is not None]
    if len(shown) > MOST_CROPS:
        worst = sorted(shown, key=lambda pair: (not pair[0].has_truth, -pair[1].difference))[:MOST_CROPS]
        kept = {id(row) for row, _ in worst}
        left_out = f" {len(shown) - MOST_CROPS} more, of smaller difference, are left out."
        shown = [pair for pair in shown if id(pair[0]) in kept]
    else:
        left_out = ""
    sections = "\n".join(_section(row, crop) for row, crop in shown) or "<p>There is nothing to show.</p>"
    body = f"""<h1>Where results fall furthest short</h1>
<p>One square of each result at 100 %: where its error exceeds most what the best choice of frames leaves, or, where
nobody knows the truth, where it differs most from the Laplacian rule.{left_out}</p>
{sections}"""
    return render_document("Crops", body, read_static(STYLE))


def _section(row: Row, crop: Crop) -> str:
    figures = "\n".join(_figure(word, png) for word, png in crop.pictures)
    return f"""<section>
<h2>{text(row.scene)}, {text(row.method)}</h2>
<div>{text(_caption(row, crop))}</div>
<div class="pictures">
{figures}
</div>
</section>"""


def _caption(row: Row, crop: Crop) -> str:
    """Where the crop lies, and how the whole scene scores."""
    place = f"at column {crop.left}, row {crop.top}; mean avoidable difference here {crop.difference:.1f} of 255"
    if not math.isnan(row.psnr_db):
        return f"{place}; scene: {row.psnr_db:.2f} dB (wta {row.wta_psnr_db:.2f}, oracle {row.oracle_psnr_db:.2f})"
    return place if math.isnan(row.q_w) else f"{place}; scene: Q_W {row.q_w:.4f}, SCD {row.scd:.4f}"


def _figure(word: str, png: bytes) -> str:
    picture = b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{text(word)}" src="data:image/png;base64,{picture}">'
        f"<figcaption>{text(word)}</figcaption></figure>"
    )
