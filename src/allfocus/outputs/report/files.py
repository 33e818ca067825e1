"""The report files that are asked for."""

from collections.abc import Sequence
from pathlib import Path

from allfocus.core.notes import Note
from allfocus.formats.read import read_metadata
from allfocus.formats.write import Picture
from allfocus.options import FusionOptions
from allfocus.outputs.report.page import report_page
from allfocus.outputs.report.provenance import dump, provenance
from allfocus.outputs.wishes import Outputs
from allfocus.result import FusionResult
from allfocus.sources.listing import read_frame


def make_reports(
    result: FusionResult, outputs: Outputs, options: FusionOptions, seconds: float, notes: Sequence[Note] = ()
) -> list[Picture]:
    """The reports that are wanted, of a result whose frames came from files.

    Args:
        result: what came of the fusion.
        outputs: what goes where.
        options: how it was done.
        seconds: how long it took.
        notes: what else to say beside the notes of the result.
    """
    source = result.source
    if not outputs.report or source is None:
        return []
    more = [str(note) for note in notes if note not in result.notes]
    document = provenance(result, source, options, outputs.named, seconds, notes=more)
    reference = result.reference
    icc = None if result.image.ndim == 2 else read_metadata(source.path_of(reference)).icc

    def make(path: Path) -> str:
        if path.suffix.lower() == ".json":
            return dump(document)
        frame = read_frame(source, reference)
        return report_page(result, source, options, outputs.named, seconds, frame, icc=icc, document=document)

    return [Picture(path, make(path)) for path in outputs.report]
