"""HTML pages in one file: style and script are carried inside, nothing is loaded, and all words are escaped."""

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from html import escape
from pathlib import Path

from allfocus.errors import printable

#: Style sheets and scripts of the report.
STATIC = Path(__file__).parent / "static"


def render_document(title: str, body: str, style: str, *, script: str = "", without_script: str = "") -> str:
    """A complete page; its policy lets nothing be loaded, and no script run but its own.

    Args:
        title: plain text.
        body: HTML.
        style: CSS.
        script: JavaScript that runs at the end of the page.
        without_script: CSS for browsers that run no scripts.
    """
    allowed = f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" if script else "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    fallback = f"<noscript><style>{without_script}</style></noscript>" if without_script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text(title)}</title>
<style>{style}</style>{fallback}</head>
<body>
<main>
{body}
</main>
{f"<script>{script}</script>" if script else ""}
</body>
</html>
"""


def read_static(path: Path) -> str:
    """A style sheet or a script, as it is carried inside a page."""
    return path.read_text(encoding="utf-8")


def text(value: object) -> str:
    """A value, safe to stand in a page; characters that are not to be seen are spelled out."""
    return escape(printable(value))


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
