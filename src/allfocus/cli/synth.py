"""``allfocus synth``: photos in, focal stacks with their truth out."""

from pathlib import Path
from typing import Annotated

import typer

from allfocus.cli.flags import command
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import PhotosArgument, QuietOption, output_option
from allfocus.run.install import extra
from allfocus.run.streams import say


@command()
def synth(
    photos: PhotosArgument,
    output: Annotated[Path, output_option("FOLDER", "A new folder for the scenes.")],
    *,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="veil, layered or shuffle; may be repeated. All three, in turn, without it."),
    ] = None,
    scenes: Annotated[int, typer.Option("-n", "--scenes", metavar="N", help="How many scenes.")] = 9,
    frames: Annotated[
        str, typer.Option(metavar="N|N-M", help="Frames of a scene, or from how many to how many.")
    ] = "2-8",
    size: Annotated[str, typer.Option(metavar="WxH", help="Size of the pictures in pixels.")] = "512x512",
    blur: Annotated[
        str, typer.Option(metavar="R|R-S", help="Blur radius in pixels over the whole range of depth: the aperture.")
    ] = "6-24",
    bits: Annotated[int, typer.Option(metavar="8|16", help="Bits of a sample of frames and truth.")] = 8,
    seed: Annotated[int, typer.Option(metavar="N", help="The same number gives the same scenes.")] = 0,
    quiet: QuietOption = False,
) -> None:
    """Render focal stacks from photos, with truth, depth, mattes and veils: a data set to measure on."""
    with extra("train", "rendering"):
        from allfocus.train import synth as room

        options = room.SynthOptions(
            kinds=tuple(kind or room.KINDS),
            count=scenes,
            frames=room.read_counts("frames", frames),
            size=room.read_counts("size", size, "x"),
            blur=room.read_pair("blur", blur),
            bits=bits,
            seed=seed,
        )
        with show_progress(quiet) as progress:
            listed = room.synthesise(photos, output, options, progress)
    if not quiet:
        say(f"{scenes} scenes; measure on them with: allfocus evaluate {listed} -o report")
