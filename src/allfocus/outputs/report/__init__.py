"""Reports of a fusion: what was done to which files, for programs (JSON) and for people (a page in one file).

`provenance` gathers the facts, of which `dump` makes JSON. `page` sets them out, between the pictures that `thumbnails`
makes small enough to be carried inside it; `html` puts the page together, with the style and the script in `static`.
"""

from allfocus.outputs.report.page import render_page, report_page
from allfocus.outputs.report.provenance import dump, provenance

__all__ = ["dump", "provenance", "render_page", "report_page"]
