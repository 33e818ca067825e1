"""Write what models/*.md say of the models that ship, from the cards in their files: python docs/make_models.py.

Of each page the part above the mark is made; what stands below it is written by hand. A test compares.
"""

import csv
from pathlib import Path

from allfocus import load_model

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "src/allfocus/weights"
CARDS = ROOT / "models"
MARK = "<!-- from here on by hand -->\n"


def make_page(path: Path) -> str:
    """The card of a model file as a page."""
    page = CARDS / f"{path.stem}.md"
    by_hand = page.read_text(encoding="utf-8").partition(MARK)[2] if page.exists() else "\n"
    card = load_model(path).card
    figures, licences = card.figures, card.data["licences"]
    facts = {
        "name": f"`{path.relative_to(ROOT).as_posix()}`, {path.stat().st_size / 1e6:.1f} MB",
        "checksum": f"`{card.checksum}`",
        "made": f"{(card.created or '')[:10]}, by allfocus {card.version}",
        "last run": f"{figures['steps']} steps, {figures['minutes']:.0f} minutes, seed {card.recipe['seed']}",
        "learned from": f"{card.data['photos']} photos, none of them a focal stack",
    }
    measured = {
        "held-back puzzles, PSNR": " · ".join(
            f"{title} {figures[key]:.2f} dB"
            for key, title in (("network", "network"), ("laplacian", "Laplacian rule"), ("oracle", "oracle"))
        ),
        "scenes with truth, over the Laplacian rule": on_scenes(),
    }
    return "\n".join(
        [
            f"# Model: {path.stem}\n",
            "<!-- made by `python docs/make_models.py` from the file's own card -->\n",
            *table("the file", facts),
            *table("figures", measured),
            *table("photos by licence", {name: str(count) for name, count in licences.items()}),
            MARK + by_hand,
        ]
    )


def table(title: str, rows: dict[str, str]) -> list[str]:
    """Lines of a table with two columns."""
    return [f"| {title} | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items()), ""]


def on_scenes() -> str:
    """What was measured last with the model that ships, halos removed and kept."""
    with (ROOT / "benchmarks/results/quality.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    names = {"allfocus_halos_keep": "picked only", "allfocus": "with halos removed"}
    return " · ".join(f"{title} {rows[name]['all']} dB" for name, title in names.items() if name in rows)


def main() -> None:
    """Write a page for each."""
    for path in sorted(WEIGHTS.glob("*.onnx")):
        page = CARDS / f"{path.stem}.md"
        page.write_text(make_page(path), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
