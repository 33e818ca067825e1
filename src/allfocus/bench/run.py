"""Measure methods on scenes: fuse, score beside the yardsticks, and go on when a scene fails."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from allfocus.bench.crops import cut_worst
from allfocus.bench.datasets import Scene
from allfocus.bench.rows import Row, closed_gap
from allfocus.core.color import Array
from allfocus.core.stack import FocalStack
from allfocus.core.weights import pick
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.decision.model import load_model
from allfocus.errors import AllFocusError, ConfigError, OptionError, ReadError
from allfocus.formats.read import read_image
from allfocus.metrics.fusion import fusion_scores
from allfocus.metrics.reference import Mask, focus_ring, oracle_index_map, psnr, ssim
from allfocus.options import FusionOptions, rename_value
from allfocus.pipeline import fuse
from allfocus.run.progress import Progress, silent

logger = logging.getLogger(__name__)

#: Methods of this package, and the yardsticks that are always measured beside them.
METHODS = ("network", "laplacian")
YARDSTICKS = ("wta", "oracle")

#: Endings of ready-made results, lossless ones first.
RESULT_SUFFIXES = (".png", ".tif", ".tiff", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One method to measure: `network` or `laplacian` with a model, or a folder of ready-made results."""

    name: str
    model: Path | None = None
    results: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A scene in memory, with its yardsticks."""

    scene: Scene
    frames: Sequence[Array]
    truth: Array | None
    wta: Array
    wta_map: Array
    oracle: Array | None = None
    oracle_map: Array | None = None
    ring: Mask | None = None


def evaluate(
    scenes: Sequence[Scene],
    *,
    methods: Sequence[str] = METHODS,
    model: Path | None = None,
    results: Mapping[str, Path] | None = None,
    unregistered: bool = False,
    progress: Progress = silent,
) -> list[Row]:
    """Measure methods on scenes.

    With a truth: PSNR and SSIM, overall and in the ring round focus edges, beside `wta` and `oracle`. Without:
    Q_W, SCD, Q_G, Q_MI and VIFF, beside `wta`. A scene or method that fails gives a row with its error, and the run
    goes on.

    Args:
        scenes: what to measure on; see `datasets.read_scenes`.
        methods: any of `METHODS`; may be empty where there are results.
        model: network weights; None for the shipped ones.
        results: folders of ready-made pictures by the name to give them, lossless, each file named like its scene
            with `__` for `/`.
        unregistered: whether to measure scenes whose frames are not registered too.
        progress: called with the stage `evaluate` after each scene.

    Returns:
        For each scene in turn a row for each yardstick, each method and each folder.

    Raises:
        ConfigError: an unknown method, a name that is taken, a folder that is not there, or no scene left.
        ModelError: the network can't be loaded.
    """
    methods = [rename_value("method", name) for name in methods]
    contestants = _contestants(methods, model, results or {})
    kept = [scene for scene in scenes if unregistered or scene.registered]
    if not kept:
        raise ConfigError(f"none of {len(scenes)} scenes is registered; ask for unregistered ones, or align them first")
    if "network" in methods:
        load_model(model)  # a wrong model is found now, not once for each scene
    rows: list[Row] = []
    progress("evaluate", 0, len(kept))
    for done, scene in enumerate(kept, start=1):
        rows += measure_scene(scene, contestants)
        progress("evaluate", done, len(kept))
    return rows


def parse_results(pairs: Sequence[str]) -> dict[str, Path]:
    """``["enfuse=out/enfuse"]`` as a mapping; raises `OptionError` for a pair without name or folder."""
    folders = {}
    for pair in pairs:
        name, _, folder = pair.partition("=")
        if not name or not folder:
            raise OptionError(f"results {pair!r}: expected NAME=FOLDER, such as enfuse=out/enfuse")
        folders[name] = Path(folder)
    return folders


def measure_scene(scene: Scene, contestants: Sequence[Contestant]) -> list[Row]:
    """Rows of one scene: the yardsticks', then one for each contestant; errors become rows."""
    try:
        loaded = load_scene(scene)
        rows = [_score(loaded, "wta", loaded.wta, loaded.wta_map)]
        if loaded.oracle is not None:
            rows.append(_score(loaded, "oracle", loaded.oracle, loaded.oracle_map))
    except Exception as error:  # reported in the table: one bad scene must not cost the others
        return [_failure(scene, contestant.name, error) for contestant in contestants]
    for contestant in contestants:
        try:
            rows.append(_measure(loaded, contestant))
        except Exception as error:  # as above
            rows.append(_failure(scene, contestant.name, error))
    return rows


def load_scene(scene: Scene) -> Loaded:
    """Read a scene's pictures and work out what the Laplacian rule and the oracle make of them.

    Raises:
        ReadError: a picture can't be read.
        StackError: frames or truth do not fit together.
    """
    frames = FocalStack(frames=[read_image(p) for p in scene.frames], names=[p.name for p in scene.frames]).frames
    wta_map = laplacian_index_map(frames)
    loaded = Loaded(scene=scene, frames=frames, truth=None, wta=pick(frames, wta_map), wta_map=wta_map)
    if scene.truth is None:
        return loaded
    truth = read_image(scene.truth)
    oracle_map = oracle_index_map(frames, truth)
    return replace(
        loaded,
        truth=truth,
        oracle=pick(frames, oracle_map),
        oracle_map=oracle_map,
        ring=focus_ring(oracle_map, len(frames)),
    )


def find_result(folder: Path, scene: str) -> Path:
    """File in `folder` that holds the result for `scene`: its name with `__` for `/`, and any picture's ending.

    Raises:
        ReadError: there is none.
    """
    stem = scene.replace("/", "__")
    for suffix in RESULT_SUFFIXES:
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            return path
    raise ReadError(f"no picture {stem}.png (or {', '.join(RESULT_SUFFIXES[1:])}) in {folder}")


def _contestants(methods: Sequence[str], model: Path | None, results: Mapping[str, Path]) -> list[Contestant]:
    for name in methods:
        if name not in METHODS:
            raise OptionError(f"unknown method {name!r}; expected {' or '.join(METHODS)}")
    for name, folder in results.items():
        if name in (*METHODS, *YARDSTICKS):
            raise ConfigError(f"results can't be called {name}: it is a method of allfocus; choose another name")
        if not folder.is_dir():
            raise ConfigError(f"results {name}: {folder} is not a folder")
    if not methods and not results:
        raise ConfigError("nothing to measure: name a method or a folder of results")
    fused = [Contestant(name=name, model=model) for name in dict.fromkeys(methods)]
    return fused + [Contestant(name=name, results=folder) for name, folder in results.items()]


def _measure(loaded: Loaded, contestant: Contestant) -> Row:
    """Fuse or read the result, and score it."""
    if contestant.results is not None:
        image = read_image(find_result(contestant.results, loaded.scene.name))
        return _score(loaded, contestant.name, image, None)
    stack = FocalStack(frames=loaded.frames, names=[path.name for path in loaded.scene.frames])
    # the truth shows what the reference does
    options = FusionOptions(
        method="network" if contestant.name == "network" else "laplacian",
        model=contestant.model,
        align="none" if loaded.scene.registered else "auto",
        keep_canvas=True,
    )
    started = time.process_time()
    result = fuse(stack, options=options)
    seconds = time.process_time() - started
    return replace(_score(loaded, contestant.name, result.image, result.index_map), seconds=seconds)


def _score(loaded: Loaded, method: str, image: Array, index_map: Array | None) -> Row:
    row = replace(_blank(loaded.scene, method), width=int(image.shape[1]), height=int(image.shape[0]))
    if loaded.truth is None or loaded.oracle is None:
        scores = fusion_scores(loaded.frames, image, loaded.scene.border)
        row = replace(row, q_w=scores.q_w, scd=scores.scd, q_g=scores.q_g, q_mi=scores.q_mi, viff=scores.viff)
    else:
        row = _score_by_truth(row, loaded, loaded.truth, loaded.oracle, image)
    if method in YARDSTICKS:
        return row
    best_map = loaded.wta_map if loaded.oracle_map is None else loaded.oracle_map
    crop = cut_worst(
        loaded.frames,
        image,
        index_map=index_map,
        truth=loaded.truth,
        best_map=best_map,
        border=loaded.scene.border,
    )
    return replace(row, crop=crop)


def _score_by_truth(row: Row, loaded: Loaded, truth: Array, oracle: Array, image: Array) -> Row:
    border = loaded.scene.border
    psnr_db = psnr(image, truth, border)
    wta_db, oracle_db = psnr(loaded.wta, truth, border), psnr(oracle, truth, border)
    return replace(
        row,
        psnr_db=psnr_db,
        ssim=ssim(image, truth, border),
        ring_psnr_db=psnr(image, truth, border, loaded.ring),
        ring_ssim=ssim(image, truth, border, loaded.ring),
        wta_psnr_db=wta_db,
        oracle_psnr_db=oracle_db,
        closed=closed_gap(psnr_db, wta_db, oracle_db),
    )


def _blank(scene: Scene, method: str) -> Row:
    return Row(
        scene=scene.name,
        group=scene.group,
        kind=scene.kind,
        method=method,
        frames=len(scene.frames),
        has_truth=scene.truth is not None,
    )


def _failure(scene: Scene, method: str, error: Exception) -> Row:
    known = isinstance(error, AllFocusError)
    logger.log(logging.INFO if known else logging.ERROR, "%s, %s: %s", scene.name, method, error, exc_info=not known)
    text = " ".join(str(error).split()) or type(error).__name__
    return replace(_blank(scene, method), error=text if known else f"{type(error).__name__}: {text}")
