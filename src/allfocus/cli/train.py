"""``allfocus train``: photos in, a model out."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from allfocus.cli.flags import command
from allfocus.cli.progress import live_bar
from allfocus.cli.shared import PhotosArgument, QuietOption, output_option
from allfocus.run.install import extra
from allfocus.run.streams import say
from allfocus.train.files import check_target, find_photos

if TYPE_CHECKING:
    from allfocus.train.events import TrainingEvent


@command()
def train(
    photos: PhotosArgument,
    output: Annotated[Path, output_option("MODEL.onnx", "The model to write.")],
    *,
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
    prove: Annotated[Path | None, typer.Option(metavar="STACK", readable=False, help="Prove the gain on this.")] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=2**31 - 1, help="Instead of the recipe's.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Train a fusion network on your own photos by inter-image pixel shuffling: no labels, no focal stacks."""
    started = time.monotonic()  # importing torch takes seconds of the time limit
    check_target(output)
    find_photos(photos)
    with extra("train", "training"):
        from allfocus.train import train as room
        from allfocus.train.onnx.weights import choose_recipe, find_start
        from allfocus.train.processes import here

    quiet = quiet or not here().leads
    with live_bar(quiet) as bar:

        def show(event: "TrainingEvent") -> None:
            if event.message:
                bar.say(event.line)
            bar.show(event.words, event.share, event.remaining)

        init = find_start(start)
        report = room.train(
            photos,
            output,
            choose_recipe(recipe, init, seed),
            device=device,
            minutes=minutes,
            resume=resume,
            init=init,
            stack=prove,
            progress=show,
            started=started,
        )
    if not quiet:
        say(report)
