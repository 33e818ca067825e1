"""Reports of a fusion: what was done to which files, for programs (JSON) and for people (a page in one file).

`provenance` gathers the facts, of which `dump` makes JSON. `page` sets them out, between the pictures that `pictures`
makes small enough to be carried inside it, in the style of `look`.
"""

from allfocus.outputs.report.page import report_page
from allfocus.outputs.report.provenance import dump, provenance, quality_facts, shortcomings

__all__ = ["dump", "provenance", "quality_facts", "report_page", "shortcomings"]
