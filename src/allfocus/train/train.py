"""Training from end to end: photos and a recipe in, an ONNX model with its card out."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from allfocus._version import __version__
from allfocus.decision.model import ModelCard
from allfocus.errors import ConfigError
from allfocus.run.atomic import check_no_input
from allfocus.train.checkpoint import RunFiles
from allfocus.train.config import Recipe
from allfocus.train.events import Listener, ignore
from allfocus.train.files import check_target
from allfocus.train.flaw_skill import flaw_skill
from allfocus.train.onnx.export import export, model_card
from allfocus.train.own_stack import stack_puzzles
from allfocus.train.processes import connected
from allfocus.train.proof import Gain, prove
from allfocus.train.rehearsal import rehearse
from allfocus.train.trainer import Trainer
from allfocus.train.validate import Scores


@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """What a finished run leaves.

    Attributes:
        output: the model.
        files: what lies beside it.
        steps: optimiser steps done, over all stretches of the run.
        minutes: wall-clock time spent, over all stretches of the run.
        loss: mean over the last steps.
        scores: of the exported weights on the held-back groups.
        card: the model card in the metadata of the output.
        skipped: one line for each photo that could not be read.
        warnings: what whoever uses the model should know, one line each; empty for a good one.
        gains: over the Laplacian rule and the weights it started from, each with its test.
    """

    output: Path
    files: RunFiles
    steps: int
    minutes: float
    loss: float
    scores: Scores
    card: dict[str, object]
    skipped: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    gains: tuple[Gain, ...] = ()

    def __str__(self) -> str:
        """A few lines for a person."""
        done = f"{self.output}: {self.steps} steps in {self.minutes:.1f} minutes, loss {self.loss:.4f}"
        files = f"log {self.files.log}, curve {self.files.curve}, checkpoint {self.files.checkpoint}"
        return "\n".join([done, *map(str, self.gains), *(f"note: {warning}" for warning in self.warnings), files])


def train(
    photos: Sequence[Path],
    output: Path,
    recipe: Recipe,
    *,
    device: str = "auto",
    minutes: float | None = None,
    resume: Path | None = None,
    init: Path | None = None,
    stack: Path | None = None,
    progress: Listener = ignore,
    clock: Callable[[], float] = time.monotonic,
    started: float | None = None,
) -> TrainingReport:
    """Train a fusion network on photos by inter-image pixel shuffling and write it as ONNX.

    Beside `output` appear a log (`.log.csv`), a plot of it (`.curve.png`) and a checkpoint (`.checkpoint.pt`).

    Args:
        photos: photos and folders of photos; one photo is enough.
        output: the model to write, named `*.onnx`.
        recipe: everything else that the result depends on.
        device: `auto` (a GPU if there is one), `cpu` or `cuda`.
        minutes: wall-clock limit instead of the recipe's; the schedule is compressed to end within it, and from one
            minute up the last measurement and the export are too.
        resume: checkpoint to go on from, exactly.
        init: checkpoint or model file whose weights a new run starts from.
        stack: a focal stack of your own to prove the gain on, see `own_stack`.
        progress: called with every `TrainingEvent`.
        clock: seconds from any start.
        started: when, by that clock, the limit began to run; by default now.

    Raises:
        WriteError: the output can't be written there; found out before any work.
        ConfigError: the device is missing, or the checkpoint belongs to another recipe.
        ReadError: no photo can be read.
        ModelError: a checkpoint or model file is damaged, or the exported model disagrees with the trained one.
        TrainingInterrupted: stopped by Ctrl-C or SIGTERM, after saving a checkpoint.
    """
    started = clock() if started is None else started
    check_target(output)
    files = RunFiles.beside(output)
    inputs = [*photos, *([] if init is None else [init])]
    check_no_input([output, files.log, files.curve, files.spare], inputs)  # the checkpoint is moved, not replaced
    if minutes is not None:
        recipe = replace(recipe, training=replace(recipe.training, minutes=minutes))
    with torch_threads(recipe.training.threads), connected() as processes:
        place = choose_device(device, processes.local_rank)
        trainer = Trainer(recipe, place, files, progress, processes=processes, clock=clock, started=started)
        trainer.read(photos)
        trainer.start_from(resume, init)
        if stack is not None:
            trainer.proofs["your own stack, rendered again"] = stack_puzzles(stack, recipe)
        rehearse(trainer)
        scores = trainer.learn()
        return finish(trainer, scores, output)


def finish(trainer: Trainer, scores: Scores, output: Path) -> TrainingReport:
    """Export the averaged weights with their card, and report what there is now."""
    flaws = flaw_skill(trainer.state.ema, trainer.measuring, trainer.recipe)
    figures = {
        **asdict(scores),
        "flaws_found": flaws.found,
        "flaws_made_up": flaws.made_up,
        "flaws_learned": flaws.is_learned,
        "steps": trainer.step,
        "minutes": round(trainer.minutes, 1),
    }
    gains = prove(trainer.state.ema, trainer.start, trainer.proofs, trainer.recipe.training.octaves_max)
    card = model_card(trainer.recipe, trainer.photos, figures)
    trainer.tell("export", f"writing {output}")
    if trainer.processes.leads:
        export(trainer.state.ema, output, card)
    return TrainingReport(
        output=output,
        files=trainer.files,
        steps=trainer.step,
        minutes=trainer.minutes,
        loss=trainer.loss,
        scores=scores,
        card=card,
        skipped=trainer.photos.skipped,
        warnings=ModelCard(name=trainer.recipe.name, version=__version__, figures=figures).warnings(),
        gains=gains,
    )


def choose_device(name: str, number: int = 0) -> torch.device:
    """The torch device for `auto`, `cpu` or `cuda`; of several GPUs the one of process `number`, in turn."""
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: expected auto, cpu or cuda, found {name}")
    if name == "cpu" or not torch.cuda.is_available():
        if name == "cuda":
            raise ConfigError("device: cuda asked for, but torch finds no CUDA GPU here; use cpu or auto")
        return torch.device("cpu")
    return torch.device("cuda", number % torch.cuda.device_count())


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` CPU threads within the block; None leaves it as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
