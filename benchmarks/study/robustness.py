"""How the network stands damaged frames, beside the Laplacian rule and the oracle on the very same frames.

    python benchmarks/study/robustness.py SCENES.json -o FOLDER [--model FILE] [--only NAME ...]

Takes the registered scenes with truth, damages their frames in each of the ways of `DAMAGES`, and writes
`robustness.csv` and `robustness.md`: means over the scenes of the PSNR of the network, of `wta` and of `oracle`, the
difference network - wta, and `closed`, the ratio of the means (network - wta) / (oracle - wta); docs/benchmark.md
defines them. What is done to the scene itself (gray, dark, clipped, aliased) is done to the truth too; what only the
camera adds (noise, JPEG, flicker) is not, so that there the oracle is no longer near perfect.
"""

import argparse
import csv
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from allfocus import FusionOptions, fuse, read_image
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.bench.rows import closed_gap, mean
from allfocus.core.color import Array, from_unit, linear_to_srgb, luma, srgb_to_linear, to_unit
from allfocus.core.weights import pick
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.metrics.reference import oracle_index_map, psnr

#: Scenes whose yardsticks are too far apart for a mean to say something: this oracle is 13 dB above `wta`.
LEFT_OUT = ("lightfield/cotton",)
#: Every scene draws from this and its own name, so that leaving one out does not change the others.
SEED = 6400
#: A sensor that holds 64000 electrons at ISO 100 has white at 1000 of them at ISO 6400; it reads with an error of 3.
WHITE_ELECTRONS, READ_ELECTRONS = 1000.0, 3.0
JPEG_QUALITY = 75
#: Largest change of exposure from frame to frame, as a share.
FLICKER = 0.05
#: Share of the range that dark data use.
DARK = 0.02
#: How far clipped frames are overexposed, on the display-encoded scale.
OVEREXPOSURE = 1.6
#: Every which pixel an aliasing sensor keeps.
STRIDE = 2


def unchanged(image: Array) -> Array:
    """Leave the picture alone."""
    return image


def faultless(frame: Array, _: np.random.Generator) -> Array:
    """A camera that adds nothing."""
    return frame


def grainy(frame: Array, rng: np.random.Generator) -> Array:
    """Add photon noise, in linear light, and read noise."""
    electrons = rng.poisson(WHITE_ELECTRONS * srgb_to_linear(to_unit(frame)))
    read = electrons + rng.normal(0, READ_ELECTRONS, frame.shape)
    return from_unit(linear_to_srgb((read / WHITE_ELECTRONS).astype(np.float32)), frame.dtype)


def compressed(frame: Array, _: np.random.Generator) -> Array:
    """Write as JPEG and read again; it holds 8 bits, whatever the frame did."""
    in_bytes = from_unit(to_unit(frame), np.uint8)
    # OpenCV wants BGR; the other way round luma and chroma would be coded as if they were each other's
    bgr = in_bytes if frame.ndim == 2 else cv2.cvtColor(in_bytes, cv2.COLOR_RGB2BGR)
    file = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    back = np.asarray(cv2.imdecode(file, cv2.IMREAD_UNCHANGED), np.uint8)
    return back if frame.ndim == 2 else np.asarray(cv2.cvtColor(back, cv2.COLOR_BGR2RGB), np.uint8)


def flickering(frame: Array, rng: np.random.Generator) -> Array:
    """Expose each frame a little differently: a gain of the light, so in linear light."""
    gain = np.float32(1 + rng.uniform(-FLICKER, FLICKER))
    return from_unit(linear_to_srgb(gain * srgb_to_linear(to_unit(frame))), frame.dtype)


def in_16_bit(frame: Array, _: np.random.Generator) -> Array:
    """The same values as uint16."""
    return from_unit(to_unit(frame), np.uint16)


def grayed(image: Array) -> Array:
    """Luma alone, as one channel."""
    return from_unit(luma(to_unit(image)), image.dtype)


def darkened(image: Array) -> Array:
    """Squeeze the values into the lowest part of 16 bits."""
    return from_unit(np.float32(DARK) * to_unit(image), np.uint16)


def clipped(image: Array) -> Array:
    """Overexpose, so that highlights burn out."""
    return from_unit(np.float32(OVEREXPOSURE) * to_unit(image), image.dtype)


def aliased(image: Array) -> Array:
    """Sample coarser without a filter, as a sensor without an anti-aliasing filter does: moire."""
    return np.ascontiguousarray(image[::STRIDE, ::STRIDE])


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One way to make frames harder to fuse.

    Attributes:
        name: what tables call it.
        note: what is done, with its numbers.
        scene: what happens to the scene: to the frames and to the truth alike.
        camera: what the camera adds to each frame after that; the truth stays clean.
        peak: white of the damaged truth as a share of its range; PSNR is taken relative to it.
    """

    name: str
    note: str
    scene: Callable[[Array], Array] = unchanged
    camera: Callable[[Array, np.random.Generator], Array] = faultless
    peak: float = 1.0


DAMAGES = (
    Damage(name="none", note="the frames as they are"),
    Damage(
        name="noise",
        note=f"like ISO 6400: photon noise in linear light, {WHITE_ELECTRONS:.0f} electrons at white, and read noise "
        f"of {READ_ELECTRONS:.0f} electrons; each channel its own",
        camera=grainy,
    ),
    Damage(name="jpeg", note=f"JPEG of quality {JPEG_QUALITY}, chroma subsampled 4:2:0, 8 bits", camera=compressed),
    Damage(
        name="flicker",
        note=f"exposure of each frame off by up to ±{FLICKER:.0%}, in linear light",
        camera=flickering,
    ),
    Damage(name="gray", note="Rec. 709 luma as one channel, truth too", scene=grayed),
    Damage(name="16 bit", note="the same values as uint16", camera=in_16_bit),
    Damage(
        name="dark",
        note=f"uint16 of which {DARK:.0%} are used, truth too; PSNR relative to these {DARK:.0%}",
        scene=darkened,
        peak=DARK,
    ),
    Damage(name="clipped", note=f"values times {OVEREXPOSURE}, clipped at white, truth too", scene=clipped),
    Damage(name="moire", note=f"every {STRIDE}nd row and column, without a filter, truth too", scene=aliased),
)


@dataclass(frozen=True, kw_only=True)
class Scores:
    """PSNR in dB on one scene, or the mean over several."""

    network: float
    wta: float
    oracle: float


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the table; see the top of this file."""

    damage: str
    scenes: int
    network_db: float
    wta_db: float
    oracle_db: float
    over_wta_db: float
    closed: float


def choose_scenes(path: Path) -> list[Scene]:
    """The registered scenes with truth that means are taken over."""
    scenes = read_scenes(path)
    return [scene for scene in scenes if scene.registered and scene.truth and scene.name not in LEFT_OUT]


def damage_scene(scene: Scene, truth: Array, damage: Damage) -> tuple[list[Array], Array]:
    """Frames and truth, damaged."""
    rng = np.random.default_rng([SEED, zlib.crc32(scene.name.encode())])
    return [damage.camera(damage.scene(read_image(path)), rng) for path in scene.frames], damage.scene(truth)


def score_scene(scene: Scene, damage: Damage, model: Path | None) -> Scores:
    """PSNR of the network, of the Laplacian rule and of the oracle on the damaged frames of one scene."""
    assert scene.truth is not None
    whole = read_image(scene.truth)
    frames, truth = damage_scene(scene, whole, damage)
    # a coarser sensor has fewer pixels in the border, too
    border = -(-scene.border * len(truth) // len(whole))
    below_peak_db = 20 * float(np.log10(damage.peak))

    def score(image: Array) -> float:
        return psnr(image, truth, border) + below_peak_db

    return Scores(
        network=score(fuse(frames, options=FusionOptions(align="none", model=model)).image),
        wta=score(pick(frames, laplacian_index_map(frames))),
        oracle=score(pick(frames, oracle_index_map(frames, truth))),
    )


def summarise(damage: Damage, scores: Sequence[Scores]) -> Line:
    """The means of one damage; the share of the gap is the ratio of the means."""
    network, wta, oracle = (mean(getattr(score, name) for score in scores) for name in ("network", "wta", "oracle"))
    return Line(
        damage=damage.name,
        scenes=len(scores),
        network_db=network,
        wta_db=wta,
        oracle_db=oracle,
        over_wta_db=network - wta,
        closed=closed_gap(network, wta, oracle),
    )


def render_markdown(lines: Iterable[Line]) -> str:
    """The table, and below it what each damage is."""
    notes = {damage.name: damage.note for damage in DAMAGES}
    lines = list(lines)
    table = [
        "| damage | network dB | wta dB | oracle dB | network - wta dB | closed | scenes |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {line.damage} | {line.network_db:.2f} | {line.wta_db:.2f} | {line.oracle_db:.2f} "
            f"| {line.over_wta_db:+.2f} | {line.closed:.2f} | {line.scenes} |"
            for line in lines
        ),
        "",
        *(f"- {line.damage}: {notes[line.damage]}" for line in lines),
    ]
    return "\n".join(table) + "\n"


def write_tables(lines: Sequence[Line], folder: Path) -> None:
    """Write `robustness.csv` and `robustness.md`."""
    with (folder / "robustness.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(asdict(lines[0])), lineterminator="\n")
        writer.writeheader()
        for line in lines:
            rounded = {
                key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(line).items()
            }
            writer.writerow(rounded)
    (folder / "robustness.md").write_text(render_markdown(lines), encoding="utf-8")


def main() -> None:
    """Run the study from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="network weights; by default the shipped ones")
    parser.add_argument("--only", nargs="+", choices=[damage.name for damage in DAMAGES], help="some damages alone")
    arguments = parser.parse_args()
    scenes = choose_scenes(arguments.scenes)
    if not scenes:
        parser.error(f"{arguments.scenes}: no scene is registered and has a truth")
    arguments.output.mkdir(parents=True, exist_ok=True)
    lines: list[Line] = []
    for damage in DAMAGES:
        if arguments.only and damage.name not in arguments.only:
            continue
        lines.append(summarise(damage, [score_scene(scene, damage, arguments.model) for scene in scenes]))
        print(lines[-1], flush=True)
        write_tables(lines, arguments.output)  # after each damage: an interrupted study keeps what it has


if __name__ == "__main__":
    main()
