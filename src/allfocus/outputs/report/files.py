"""The report files that are asked for."""

from collections.abc import Sequence
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.formats.write import Picture
from allfocus.options import FusionOptions
from allfocus.outputs.report.page import render_page
from allfocus.outputs.report.provenance import dump, provenance
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult


def make_reports(
    result: FusionResult, outputs: Outputs, options: FusionOptions, seconds: float, notes: Sequence[Note] = ()
) -> list[Picture]:
    """The reports that are wanted, of a result whose frames came from files.

    Args:
        result: what came of the fusion.
        outputs: what goes where.
        options: how it was done.
        seconds: how long it took.
        notes: what else to say beside the notes of the result; what is said there too is said once.
    """
    if not outputs.report or result.source is None:
        return []
    document = provenance(result, options, outputs.named, seconds, notes)

    def make(path: Path) -> str:
        return dump(document) if path.suffix.lower() == ".json" else render_page(result, document)

    return [Picture(path, make(path)) for path in outputs.report]
