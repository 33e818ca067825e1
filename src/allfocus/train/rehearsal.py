"""What comes after the last step, tried out before the first: how long it takes, and whether it works."""

from allfocus.train.curves import draw_curve
from allfocus.train.flaw_skill import flaw_skill
from allfocus.train.onnx.export import card_of, serialise
from allfocus.train.proof import prove
from allfocus.train.trainer import Trainer
from allfocus.train.validate import measure

#: Shorter time limits, in minutes, are for trying things out: the end is not rehearsed, and comes on top.
SHORTEST = 1.0

#: How much more than the rehearsal took is kept for the end: a step may be under way, and the machine busier.
MARGIN = 1.2


def rehearse(trainer: Trainer) -> None:
    """Of a run with a time limit, keep as much time for its end as that takes now.

    Raises:
        ModelError: the model can't be exported here; better known now than after the training.
    """
    limit = trainer.recipe.training.minutes
    if limit is None or limit < SHORTEST or trainer.fraction >= 1:
        return
    before = trainer.clock()
    end(trainer)
    spent = MARGIN * (trainer.clock() - before) / 60
    # whatever the end takes, at least half of what is left is for learning
    trainer.reserve = min(spent, max(0.0, limit - trainer.minutes) / 2)
    trainer.stretch = (trainer.step, trainer.clock())


def end(trainer: Trainer) -> None:
    """Measure, draw and export, with nothing kept of it."""
    recipe, network = trainer.recipe, trainer.state.ema
    scores = measure(network, trainer.held_back, recipe.training.octaves_max)
    trainer.tell("validation", f"before training: network {scores.network:.2f} dB on held-back groups")
    flaw_skill(network, trainer.measuring, recipe)
    prove(network, trainer.start, trainer.proofs, recipe.training.octaves_max)
    draw_curve([])
    trainer.tell("export", "trying out the export")
    serialise(network, card_of(recipe, {}, {}))
