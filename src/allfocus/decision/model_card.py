"""The card of a model: what its file says about itself, checked before anybody goes by it."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allfocus.errors import ModelError, printable

#: The layout of inputs and outputs that training writes; and those that this version reads. One look answers every
#: level of a file of format 4, and every one but the finest of format 5, so it is not asked which level it is.
FORMAT, READ = 6, (4, 5, 6)
#: Blocks in a model whose card does not tell: as many as training allows.
MOST_BLOCKS = 6
#: A network that closes less of the gap between the Laplacian rule and the best choice is hardly trained: one that has
#: learned nothing closes up to 0.15 of it, since it blends frames; the shipped one 0.79.
LEAST_GAIN = 0.25
#: Figures that files of earlier versions call otherwise.
OLD_FIGURES = {"classic": "laplacian"}
#: Characters of a text of the card.
LONGEST_TEXT = 200


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelCard:
    """What a model says about itself.

    Attributes:
        name: of the recipe that made it.
        version: of the allfocus that made it.
        recipe: the resolved recipe.
        data: how many photos it learned from, under which licences.
        figures: steps and minutes of its training, PSNRs on held-back groups, and what it knows about flaws.
        commit: of the sources that made it, where known.
        created: when, ISO 8601.
        checksum: of all else in the file, see `onnx_file.digest`; None in those of versions that wrote none.
    """

    name: str
    version: str
    recipe: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    commit: str | None = None
    created: str | None = None
    checksum: str | None = None

    @property
    def knows_flaws(self) -> bool:
        """Whether it has learned where no frame is good; models whose card does not say so have."""
        return bool(self.figures.get("flaws_learned", True))

    def __repr__(self) -> str:
        return f"<ModelCard {self.name!r}, made by allfocus {self.version}>"

    def warnings(self) -> tuple[str, ...]:
        """What whoever fuses with this model should know, one line each; empty for a good one."""
        found = []
        if {"network", "laplacian", "oracle"} <= self.figures.keys():
            network, rule, best = (self.figures[name] for name in ("network", "laplacian", "oracle"))
            verdict = "is worse than the Laplacian rule" if network < rule else "is hardly trained"
            figures = f"{network:.1f} dB on held-back groups, the Laplacian rule {rule:.1f}, the best choice {best:.1f}"
            if network - rule < LEAST_GAIN * (best - rule):
                found.append(f"this model {verdict}: {figures}; train it for longer, or on more photos")
        if not self.knows_flaws:
            found.append("this model has not learned what is sharp in no frame, or veiled: there are no masks of these")
        return tuple(found)


def check_format(path: Path, text: str) -> None:
    """Raise `ModelError` for a card of another format; one that can't be read is left to `read_card`."""
    try:
        card = json.loads(text)
        number, maker = card["format"], printable(str(card.get("version", "unknown"))[:40])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return
    if number not in READ:
        raise ModelError(
            f"{path}: a model of another format than {FORMAT}, made by allfocus {maker}; "
            "update allfocus or train it again"
        )


def read_card(path: Path, text: str) -> ModelCard:
    """The card in a model's metadata; raises `ModelError` for one that is damaged, or of another format."""
    try:
        card = json.loads(text)
        del card["format"]
        card["figures"] = rename_figures(card.get("figures", {}))
        read = ModelCard(**card)
        check_card(read)
        return read
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelError(f"{path}: its model card is damaged ({error}); get or train it again") from error


def rename_figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures by the names that they have now."""
    return {OLD_FIGURES.get(name, name): value for name, value in figures.items()}


def check_card(card: ModelCard) -> None:
    """Raise `ValueError` or `TypeError` for a card whose values are of other kinds or make no sense."""
    texts = {"name": card.name, "version": card.version}
    texts |= {key: value for key in ("commit", "created", "checksum") if (value := getattr(card, key)) is not None}
    wrong = [key for key, value in texts.items() if not isinstance(value, str) or len(value) > LONGEST_TEXT]
    parts = {"recipe": card.recipe, "data": card.data, "figures": card.figures}
    network = card.recipe.get("network", {})
    parts["network"] = network
    wrong += [key for key, value in parts.items() if not isinstance(value, dict)]
    for key in ("depth", "fine_depth", "second_depth"):
        wrong += [key] if network.get(key, 1) not in range(1, MOST_BLOCKS + 1) else []
    for key, value in card.figures.items():
        wrong += [key] if isinstance(value, float) and not math.isfinite(value) else []
    if wrong:
        raise ValueError(f"{', '.join(wrong)} can't be right")
    card.warnings()  # figures that make no sense are damage too
