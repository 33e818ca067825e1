"""The log of a training run: rows in memory, a CSV file, and a picture of the curves."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from allfocus.run.atomic import write_file

#: One line of the log: what each column holds; None where a column has no value on that line.
Row = Mapping[str, float | None]

COLUMNS = ("step", "minutes", "learning_rate", "loss", "network", "pick", "laplacian", "oracle")

#: Colours that stay apart for colour-blind eyes (Okabe and Ito).
COLORS = {"network": "#0072B2", "pick": "#56B4E9", "laplacian": "#D55E00", "oracle": "#009E73"}


def write_log(path: Path, rows: Sequence[Row]) -> None:
    """Write the log as CSV, one line a row."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_file(path, text.getvalue())


def write_curve(path: Path, rows: Sequence[Row]) -> None:
    """Write the plot of a log, see `draw_curve`."""
    content = draw_curve(rows)
    write_file(path, content)


def draw_curve(rows: Sequence[Row]) -> bytes:
    """Loss and PSNRs over the steps, as a PNG."""
    from matplotlib.figure import Figure  # slow to load, and wanted only when there is something to draw

    figure = Figure(figsize=(7, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    draw(upper, rows, "loss", "#000000")
    upper.set(ylabel="loss")
    for name, color in COLORS.items():
        draw(lower, rows, name, color)
    lower.set(xlabel="step", ylabel="PSNR on held-back groups, dB")
    lower.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    return picture.getvalue()


def draw(axes: object, rows: Sequence[Row], name: str, color: str) -> None:
    """Draw one column of the log over the steps."""
    points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    axes.plot([x for x, _ in points], [y for _, y in points], color=color, label=name)  # type: ignore[attr-defined]
