"""``allfocus train``: photos in, a model out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allfocus.cli.progress import live_bar
from allfocus.cli.shared import DebugOption, QuietOption, extra
from allfocus.run.streams import say

if TYPE_CHECKING:
    from allfocus.cli.progress import Bar
    from allfocus.train.config import Recipe
    from allfocus.train.events import Listener, TrainingEvent


def train(
    photos: Annotated[
        list[Path],
        typer.Argument(metavar="PHOTO|FOLDER", readable=False, help="Photos and folders of photos; one is enough."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="MODEL.onnx", readable=False, help="The model to write.")
    ],
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE.toml", readable=False, help="How to train, see recipes/; defaults without it."),
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")] = "auto",
    minutes: Annotated[
        float | None, typer.Option(metavar="M", min=0.001, help="Wall-clock limit, measuring and export included.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="CHECKPOINT", readable=False, help="Go on exactly from there.")
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            readable=False,
            help="Start from these weights, a model or a checkpoint; `shipped`: those of the package.",
        ),
    ] = None,
    prove: Annotated[
        Path | None, typer.Option(metavar="STACK", readable=False, help="A focal stack of yours to prove the gain on.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=2**31 - 1, help="Instead of the recipe's.")
    ] = None,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Train a fusion network on your own photos by inter-image pixel shuffling: no labels, no focal stacks."""
    started = time.monotonic()  # importing torch takes seconds of the time limit
    with extra("train", "training"):
        from allfocus.decision.model import SHIPPED
        from allfocus.train import train as room

        init = SHIPPED if start == Path("shipped") else start
        with live_bar(quiet) as bar:
            report = room.train(
                photos,
                output,
                load(recipe, init, seed),
                device=device,
                minutes=minutes,
                resume=resume,
                init=init,
                stack=prove,
                progress=shown_on(bar),
                started=started,
            )
    if not quiet:
        say(f"{report.output}: {report.steps} steps in {report.minutes:.1f} minutes, loss {report.loss:.4f}")
        for told in (*report.gains, *(f"note: {warning}" for warning in report.warnings)):
            say(str(told))
        say(f"log {report.files.log}, curve {report.files.curve}, checkpoint {report.files.checkpoint}")


def load(path: Path | None, start: Path | None, seed: int | None) -> "Recipe":
    """The recipe of a file, or the default one for the start that was chosen, with the seed asked for."""
    from dataclasses import replace

    from allfocus.train.config import Recipe, load_recipe
    from allfocus.train.onnx.weights import fine_tuning, load_start

    if path is not None:
        recipe = load_recipe(path)
    else:
        recipe = Recipe() if start is None else fine_tuning(load_start(start).recipe, "fine-tuned")
    return recipe if seed is None else replace(recipe, seed=seed)


def shown_on(bar: "Bar") -> "Listener":
    """A listener that prints the run's messages, and draws on the bar how far it is."""

    def show(event: "TrainingEvent") -> None:
        if event.message:
            bar.say(line(event))
        done = event.fraction if event.kind != "read" else event.done / max(event.total, 1)
        bar.show(describe(event), done, event.remaining)

    return show


def line(event: "TrainingEvent") -> str:
    """The event's message, which for a checkpoint is only its path."""
    return f"checkpoint {event.message}" if event.kind == "checkpoint" else event.message


def describe(event: "TrainingEvent") -> str:
    """Where the run stands, what matters most first: what the bar leaves no room for is dropped from the end."""
    if event.kind == "read":
        return f"read {event.done}/{event.total}"
    parts = [f"step {event.done}", f"{event.rate:.1f}/s"]
    if event.loss is not None:
        parts.append(f"loss {event.loss:.3f}")
    if event.scores is not None:
        scores = event.scores
        parts.append(f"{scores.network:.1f} dB (Laplacian {scores.classic:.1f}, oracle {scores.oracle:.1f})")
    return ", ".join(parts)
