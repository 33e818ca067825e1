"""``allfocus evaluate``: methods and scenes in, figures out."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allfocus.cli.progress import show_progress
from allfocus.cli.shared import DebugOption, QuietOption
from allfocus.errors import ConfigError, OptionError
from allfocus.run.streams import say

if TYPE_CHECKING:
    from allfocus.bench.datasets import Scene


def evaluate(
    scenes: Annotated[
        Path,
        typer.Argument(
            metavar="SCENES.json|FOLDER", readable=False, help="Scenes as a file, or a data set as it is handed out."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", readable=False, help="Where the report goes.")
    ],
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="network or laplacian; may be repeated. Both without it."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", readable=False, help="A model of your own (.onnx) for the network.")
    ] = None,
    results: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Pictures made by another tool, named like the scenes with __ for /."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", readable=False, help="What others score, for the same table.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Only scenes whose name matches, such as 'layered/*'.")
    ] = None,
    unregistered: Annotated[bool, typer.Option("--unregistered", help="Measure unregistered scenes too.")] = False,
    quiet: QuietOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure methods on scenes: figures with intervals and tests, tables for papers, and a page of crops."""
    from allfocus.bench import folders, report, reproduce, rows, run
    from allfocus.run.atomic import check_no_input

    chosen = select(folders.find_scenes(scenes), only)
    named = named_folders(results or [])
    if reference is not None:
        rows.read_reference(reference, [])  # a wrong file is found now, not after the work
    inputs = [path for path in (scenes, reference, model) if path is not None and path.is_file()]
    asked = {"method": method, "model": model, "results": results, "reference": reference, "only": only}
    command = reproduce.make_command(scenes, output, {**asked, "unregistered": unregistered})
    check_no_input([output / name for name in report.FILES], inputs)
    methods = method or ([] if named else run.METHODS)
    with report.report_folder(output), show_progress(quiet) as progress:
        measured = run.evaluate(
            chosen, methods=methods, model=model, results=named, unregistered=unregistered, progress=progress
        )
        repeat = reproduce.describe_run(command, chosen, model)
        files = report.write_report(measured, output, reference=reference, repeat=repeat)
    if not quiet:
        say((output / report.MARKDOWN_NAME).read_text(encoding="utf-8"))
        say("\n".join(map(str, files)))
    failed = rows.failed(measured)
    if failed:
        first = f"{failed[0].scene}, {failed[0].method}: {failed[0].error}"
        raise ConfigError(f"{len(failed)} of {len(measured)} measurements failed, see {output}; the first: {first}")


def select(scenes: "Sequence[Scene]", only: str | None) -> "list[Scene]":
    """Scenes whose name matches the pattern; raises `ConfigError` if none does."""
    chosen = [scene for scene in scenes if only is None or fnmatchcase(scene.name, only)]
    if not chosen:
        raise ConfigError(f"none of {len(scenes)} scenes is called like {only}; the first is {scenes[0].name}")
    return chosen


def named_folders(pairs: Sequence[str]) -> dict[str, Path]:
    """``["enfuse=out/enfuse"]`` as a mapping; raises `ConfigError` for a pair without name or folder."""
    folders = {}
    for pair in pairs:
        name, _, folder = pair.partition("=")
        if not name or not folder:
            raise OptionError(f"results {pair!r}: expected NAME=FOLDER, such as enfuse=out/enfuse")
        folders[name] = Path(folder)
    return folders
