"""Tables for a terminal, a file or another program."""

from collections.abc import Iterable, Sequence

#: Width of a table that goes to no terminal.
WIDEST = 400
#: Columns of a terminal between two columns of a table, and those that its longest cells take beyond the titles.
GAP, ROOM_FOR_NAMES = 2, 8


def draw_table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as text, as wide as the terminal; a file or another program is no narrower than the table.

    Columns without a value are left out. On a terminal too narrow for the titles each row is a line of titles and
    values.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = [column for column in zip(titles, *rows, strict=True) if any(column[1:])]
    console = Console(highlight=False)
    width = console.width if console.is_terminal else WIDEST
    if sum(len(title) + GAP for title, *_ in columns) > width - ROOM_FOR_NAMES:
        titles, *rows = zip(*columns, strict=True)
        lines = ([f"{title} {cell}".strip() for title, cell in zip(titles, row, strict=True) if cell] for row in rows)
        return "\n".join(map(", ".join, lines))
    table = Table(box=None, pad_edge=False)
    for title, *_ in columns:
        table.add_column(Text(title), overflow="fold", min_width=len(title))
    for row in zip(*(column[1:] for column in columns), strict=True):
        table.add_row(*map(Text, row))
    console = Console(highlight=False, width=width)
    with console.capture() as drawn:
        console.print(table)
    return drawn.get().removesuffix("\n")
