"""One HTML page of crops at 100 %, with the pictures inside, so that it can be moved and mailed."""

import math
from base64 import b64encode
from collections.abc import Sequence
from html import escape

from allfocus.bench.rows import Crop, Row

#: Crops on the page at most; scenes with a truth come first, then where the difference is largest.
MOST_CROPS = 40

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 100rem; padding: 0 1rem;
  background: #fff; color: #222; }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd; } }
section { border-top: 1px solid #8888; padding: .5rem 0 1.5rem; }
h2 { font-size: 1.05rem; margin: .6rem 0 .2rem; }
.pictures { display: flex; flex-wrap: wrap; gap: .6rem; margin-top: .5rem; }
figure { margin: 0; } figcaption { font-size: .8rem; opacity: .8; }
img { display: block; image-rendering: pixelated; }
"""


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
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Crops</title>
<style>{STYLE}</style></head>
<body>
<h1>Where results fall furthest short</h1>
<p>One square of each result at 100 %: where its error exceeds most what the best choice of frames leaves, or, where
nobody knows the truth, where it differs most from the Laplacian rule.{left_out}</p>
{sections}
</body>
</html>
"""


def _section(row: Row, crop: Crop) -> str:
    figures = "\n".join(_figure(word, png) for word, png in crop.pictures)
    return f"""<section>
<h2>{escape(row.scene)}, {escape(row.method)}</h2>
<div>{escape(_caption(row, crop))}</div>
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
        f'<figure><img alt="{escape(word)}" src="data:image/png;base64,{picture}">'
        f"<figcaption>{escape(word)}</figcaption></figure>"
    )
