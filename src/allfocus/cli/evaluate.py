"""``allfocus evaluate``: methods and scenes in, figures out."""

from pathlib import Path
from typing import Annotated

import typer

from allfocus.cli.flags import command
from allfocus.cli.progress import show_progress
from allfocus.cli.shared import QuietOption, output_option
from allfocus.run.streams import say


@command()
def evaluate(
    scenes: Annotated[
        Path,
        typer.Argument(
            metavar="SCENES.json|FOLDER", readable=False, help="Scenes as a file, or a data set as it is handed out."
        ),
    ],
    output: Annotated[Path, output_option("FOLDER", "Where the report goes.")],
    *,
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
) -> None:
    """Measure methods on scenes: figures with intervals and tests, tables for papers, and a page of crops."""
    from allfocus.bench import datasets, folders, report, reproduce, rows, run

    chosen = datasets.select_scenes(folders.find_scenes(scenes), only)
    named = run.parse_results(results or [])
    report.check_files(output, reference, [path for path in (scenes, model) if path is not None and path.is_file()])
    asked = {"method": method, "model": model, "results": results, "reference": reference, "only": only}
    line = reproduce.make_command(scenes, output, {**asked, "unregistered": unregistered})
    methods = method or ([] if named else run.METHODS)
    with report.report_folder(output), show_progress(quiet) as progress:
        measured = run.evaluate(
            chosen, methods=methods, model=model, results=named, unregistered=unregistered, progress=progress
        )
        repeat = reproduce.describe_run(line, chosen, model)
        files = report.write_report(measured, output, reference=reference, repeat=repeat)
    if not quiet:
        say((output / report.MARKDOWN_NAME).read_text(encoding="utf-8"))
        say("\n".join(map(str, files)))
    rows.raise_failed(measured, output)
