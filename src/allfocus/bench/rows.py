"""Row: what one method reached on one scene; and the few sums that reports need."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from allfocus.errors import ConfigError

#: Figures that need a truth, and those that do not.
WITH_TRUTH = ("psnr_db", "ssim", "ring_psnr_db", "ring_ssim", "closed")
WITHOUT_TRUTH = ("q_w", "scd", "q_g", "q_mi", "viff")

#: Columns that a reference table must have.
REFERENCE_COLUMNS = ("scene", "method", "psnr_db", "ssim", "ring_psnr_db")


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A piece of a scene where a method is at its worst, as PNG files.

    Attributes:
        left: first column of the piece in the scene.
        top: first row.
        difference: mean absolute error there, on the 8-bit scale, beyond what the best choice of frames leaves.
        pictures: (what it shows, PNG) pairs.
    """

    left: int
    top: int
    difference: float
    pictures: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one method reached on one scene; figures that do not apply are `nan`.

    Attributes:
        scene: its name.
        group: its group.
        kind: what it pictures.
        method: `network`, `laplacian`, `wta`, `oracle`, the name of a folder of results, or of a reference.
        source: `measured` here, or `reference` for a figure read from a table.
        frames: how many.
        width: pixels.
        height: pixels.
        has_truth: whether the scene's truth is known.
        psnr_db: dB on the 8-bit scale; inf for a perfect picture.
        ssim: at most 1.
        ring_psnr_db: PSNR in the ring round focus edges.
        ring_ssim: SSIM there.
        wta_psnr_db: what the Laplacian rule reaches on the scene, as a yardstick.
        oracle_psnr_db: what the best choice of one frame a pixel reaches.
        closed: (PSNR - wta) / (oracle - wta): 0 is the Laplacian rule, 1 the oracle.
        q_w: Piella's weighted quality index.
        scd: sum of the correlations of differences.
        q_g: gradients kept.
        q_mi: normalised mutual information.
        viff: visual information fidelity.
        seconds: CPU seconds of the fusion, reading and scoring not counted.
        error: why there are no figures; empty when there are.
        crop: where the method is worst.
    """

    scene: str
    group: str
    method: str
    kind: str = ""
    source: str = "measured"
    frames: int = 0
    width: int = 0
    height: int = 0
    has_truth: bool = False
    psnr_db: float = math.nan
    ssim: float = math.nan
    ring_psnr_db: float = math.nan
    ring_ssim: float = math.nan
    wta_psnr_db: float = math.nan
    oracle_psnr_db: float = math.nan
    closed: float = math.nan
    q_w: float = math.nan
    scd: float = math.nan
    q_g: float = math.nan
    q_mi: float = math.nan
    viff: float = math.nan
    seconds: float = math.nan
    error: str = ""
    crop: Crop | None = field(default=None, repr=False)


def failed(rows: Iterable[Row]) -> list[Row]:
    """Rows that hold an error instead of figures."""
    return [row for row in rows if row.error]


def raise_failed(rows: Sequence[Row], folder: Path) -> None:
    """Raise `ConfigError` where measurements failed; the report in `folder` has all the others."""
    wrong = failed(rows)
    if wrong:
        first = f"{wrong[0].scene}, {wrong[0].method}: {wrong[0].error}"
        raise ConfigError(f"{len(wrong)} of {len(rows)} measurements failed, see {folder}; the first: {first}")


def mean(values: Iterable[float]) -> float:
    """Mean of the numbers among `values`; `nan` if there is none."""
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def closed_gap(psnr_db: float, wta_db: float, oracle_db: float) -> float:
    """How much of the way from the Laplacian rule to the oracle is gone; `nan` where there is no way to go."""
    if not (math.isfinite(oracle_db) and math.isfinite(psnr_db)) or oracle_db - wta_db < 0.01:
        return math.nan
    return (psnr_db - wta_db) / (oracle_db - wta_db)


def read_reference(path: Path, measured: Sequence[Row]) -> list[Row]:
    """Read what others scored: a CSV with the columns of `REFERENCE_COLUMNS`, empty or `nan` where unknown.

    Args:
        path: the CSV file.
        measured: rows of this run; only their scenes are kept, and no method they hold already.

    Returns:
        Rows with the source `reference`.

    Raises:
        ConfigError: not readable, columns missing, or a figure that is no number.
    """
    scenes = {row.scene: row for row in measured}
    known = {(row.scene, row.method) for row in measured}
    yardsticks = {row.scene: row for row in measured if not row.error and not math.isnan(row.wta_psnr_db)}
    rows = []
    for line, record in enumerate(_records(path), start=2):
        figures = {key: _number(record[key], f"{path.name}, line {line}: {key}") for key in REFERENCE_COLUMNS[2:]}
        scene, method = record["scene"], record["method"]
        if scene not in scenes or (scene, method) in known:
            continue
        beside = yardsticks.get(scene, scenes[scene])
        blank = Row(scene=scene, group=beside.group, kind=beside.kind, method=method, source="reference")
        rows.append(
            replace(
                blank,
                frames=beside.frames,
                width=beside.width,
                height=beside.height,
                has_truth=True,
                psnr_db=figures["psnr_db"],
                ssim=figures["ssim"],
                ring_psnr_db=figures["ring_psnr_db"],
                wta_psnr_db=beside.wta_psnr_db,
                oracle_psnr_db=beside.oracle_psnr_db,
                closed=closed_gap(figures["psnr_db"], beside.wta_psnr_db, beside.oracle_psnr_db),
            )
        )
    return rows


def _records(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [key for key in REFERENCE_COLUMNS if key not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path} has no column {missing[0]}; expected {','.join(REFERENCE_COLUMNS)}")
            return [{key: (record[key] or "").strip() for key in REFERENCE_COLUMNS} for record in reader]
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file: {error.reason}") from error


def _number(text: str, here: str) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise ConfigError(f"{here} is {text!r}; expected a number, nan or nothing") from None
