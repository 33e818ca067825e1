"""Other fusion tools on the registered scenes, beside our network and the Laplacian rule, in one table.

    python benchmarks/study/peers.py SCENES.json -o FOLDER [--only GLOB] [--tools GLOB] [--python FILE] [--model FILE]

Runs every tool of `PEERS` that is found, on the PATH or beside the interpreter of `--python`, and writes

    FOLDER/<tool>/<scene with __ for />.png   what the tool made, lossless
    FOLDER/times.csv                          CPU seconds of the whole process, with its start, reading and writing
    FOLDER/report/                            all of them scored by `allfocus.bench`: report.md is the table

A picture that is there is not made again: delete a tool's folder after an update. A tool that fails on a scene leaves
no picture there, is named in the output and in the table, and the run goes on; the exit code is then 1.

Every tool gets the same frames: RGB as PNG in the scene's depth, aligned already, so that alignment is switched off
where there is a switch, and so is the matching of exposures. Otherwise tools run as they come. One thread each, as far
as they obey, so that CPU seconds compare.
"""

import argparse
import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import cv2
import numpy as np

from allfocus import read_image, write_image
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.bench.report import write_report
from allfocus.bench.run import evaluate
from allfocus.core.color import Array, FloatArray, from_unit, luma, to_unit
from allfocus.errors import AllFocusError

#: First argument of the calls by which this script runs its own baselines: as processes, like any other tool.
BASELINE = "--baseline"

#: Arguments of a peer that stand for something else in each call: one file, one folder, and all files of the folder.
OUTPUT, FOLDER, FRAMES = "{output}", "{folder}", "{frames}"

#: What keeps tools to one thread.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")

#: Seconds after which a tool counts as hanging.
PATIENCE = 1800

#: Smallest side of the coarsest level of the Laplacian pyramid.
BASE_SIDE = 8

#: Settings of guided-filter fusion, from section IV of the paper, for values of 0 to 1.
AVERAGE_SIDE, SALIENCY_SIDE, SALIENCY_SIGMA = 31, 11, 5.0
BASE_RADIUS, BASE_EPSILON = 45, 0.3
DETAIL_RADIUS, DETAIL_EPSILON = 7, 1e-6


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A fusion tool, and how to call it.

    Attributes:
        name: its folder, and its name in the table.
        program: what to look for.
        arguments: of one call; see `OUTPUT`, `FOLDER` and `FRAMES`.
        install: how to get it.
    """

    name: str
    program: str
    arguments: tuple[str, ...]
    install: str = ""


def baseline(name: str) -> Peer:
    """A method of `BASELINES`, which is always found."""
    return Peer(name=name, program=sys.executable, arguments=(__file__, BASELINE, name, OUTPUT, FRAMES))


def openfocus(name: str, method: str) -> Peer:
    """One of openfocus's methods."""
    # unless told not to, it changes every frame to match the exposure of the last one
    options = ("--align", "none", "--no-exposure-match", "--cpu", "--threads", "1")
    call = ("--method", method, *options, "--output", OUTPUT, "--input", FRAMES)
    return Peer(name=f"openfocus_{name}", program="openfocus", arguments=call, install="pip install openfocus")


PEERS = (
    baseline("laplacian"),
    baseline("guided"),
    Peer(
        name="enfuse",
        program="enfuse",
        # what its manual advises for focus stacks: contrast alone decides, and one frame takes each pixel
        arguments=(
            *("--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1", "--hard-mask"),
            *("--output", OUTPUT, FRAMES),
        ),
        install="apt install enblend-enfuse",
    ),
    Peer(
        name="focusweave",
        program="focusweave",
        arguments=(FOLDER, "--no-align", "--workers", "1", "--output", OUTPUT),
        install="pip install focusweave",
    ),
    openfocus("v3", "stackmffv3"),
    openfocus("v2", "stackmffv2"),
    openfocus("v1", "stackmff"),
    openfocus("guided", "guided_filter"),
    openfocus("gfgfgf", "gfgfgf"),
    openfocus("dct", "dct"),
    openfocus("dtcwt", "dtcwt"),
    openfocus("average", "openfocus_a"),
    openfocus("depth", "openfocus_b"),
    openfocus("pyramid", "openfocus_c"),
)


class ToolError(Exception):
    """A tool did not make the picture; says why in one line."""


# ---- baselines


def fuse_laplacian(frames: Sequence[FloatArray]) -> FloatArray:
    """Fuse by Laplacian pyramids (Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851).

    At each place of each level the frame with the largest absolute coefficient, summed over the channels so that a
    colour comes from one frame; at the coarsest level the mean.
    """
    pyramids = [laplacian_pyramid(frame) for frame in frames]
    *details, bases = [np.stack(level) for level in zip(*pyramids, strict=True)]
    fused: FloatArray = bases.mean(axis=0)
    for level in reversed(details):
        best = np.abs(level).sum(axis=-1, keepdims=True).argmax(axis=0)
        fused = pyramid_up(fused, level.shape[1:3]) + np.take_along_axis(level, best[None], axis=0)[0]
    return fused


def laplacian_pyramid(image: FloatArray) -> list[FloatArray]:
    """Band-passed levels, finest first, and the low-passed rest; they add up to the image (H, W, 3)."""
    levels = []
    while min(image.shape[:2]) >= 2 * BASE_SIDE:
        smaller = np.asarray(cv2.pyrDown(image), np.float32)
        levels.append(image - pyramid_up(smaller, image.shape[:2]))
        image = smaller
    return [*levels, image]


def pyramid_up(image: FloatArray, size: Sequence[int]) -> FloatArray:
    """The next finer level, of (height, width) `size`."""
    return np.asarray(cv2.pyrUp(image, dstsize=(size[1], size[0])), np.float32)


def fuse_guided(frames: Sequence[FloatArray]) -> FloatArray:
    """Fuse by guided filtering (Li, Kang and Hu 2013, doi:10.1109/TIP.2013.2244222).

    Each frame is split into a base (its local average) and a detail layer. Where a frame is the most salient one, its
    weight is 1; a guided filter makes these maps follow the frame's edges, widely for bases, tightly for details.
    """
    guides = [luma(frame) for frame in frames]
    best = np.argmax([saliency(guide) for guide in guides], axis=0)
    chosen = [(best == k).astype(np.float32) for k in range(len(frames))]
    bases = [np.asarray(cv2.blur(frame, (AVERAGE_SIDE, AVERAGE_SIDE)), np.float32) for frame in frames]
    details = [frame - base for frame, base in zip(frames, bases, strict=True)]
    base_weights = follow_edges(chosen, guides, BASE_RADIUS, BASE_EPSILON)
    detail_weights = follow_edges(chosen, guides, DETAIL_RADIUS, DETAIL_EPSILON)
    return weighted_sum(base_weights, bases) + weighted_sum(detail_weights, details)


def saliency(guide: FloatArray) -> FloatArray:
    """Absolute Laplacian (H, W), smoothed."""
    detail = np.abs(cv2.Laplacian(guide, cv2.CV_32F))
    return np.asarray(cv2.GaussianBlur(detail, (SALIENCY_SIDE, SALIENCY_SIDE), SALIENCY_SIGMA), np.float32)


def follow_edges(
    maps: Sequence[FloatArray], guides: Sequence[FloatArray], radius: int, epsilon: float
) -> list[FloatArray]:
    """Filter each map by its guide; the results are weights: not negative, and 1 in all at each pixel."""
    pairs = zip(maps, guides, strict=True)
    # never quite 0, so that all count alike where the filter leaves nothing of any
    filtered = [np.clip(guided_filter(weights, guide, radius, epsilon), 1e-6, 1) for weights, guide in pairs]
    total = np.sum(filtered, axis=0)
    return [weights / total for weights in filtered]


def guided_filter(image: FloatArray, guide: FloatArray, radius: int, epsilon: float) -> FloatArray:
    """In each window the linear function of the guide nearest to the image; then the mean over all windows (H, W)."""
    # a variance is a small difference of large numbers, and epsilon is smaller than float32 leaves of it
    wide, target = guide.astype(np.float64), image.astype(np.float64)
    mean_guide, mean_target = window_mean(wide, radius), window_mean(target, radius)
    covariance = window_mean(wide * target, radius) - mean_guide * mean_target
    variance = window_mean(wide * wide, radius) - mean_guide * mean_guide
    slope = covariance / (variance + epsilon)
    offset = mean_target - slope * mean_guide
    return (window_mean(slope, radius) * wide + window_mean(offset, radius)).astype(np.float32)


def window_mean(image: Array, radius: int) -> Array:
    """Mean over the square of 2 radius + 1 pixels around each."""
    return np.asarray(cv2.blur(image, (2 * radius + 1, 2 * radius + 1)))


def weighted_sum(weights: Sequence[FloatArray], layers: Sequence[FloatArray]) -> FloatArray:
    """Sum of layers (H, W, 3) times weights (H, W)."""
    total: FloatArray = np.sum([w[..., None] * layer for w, layer in zip(weights, layers, strict=True)], axis=0)
    return total


BASELINES: dict[str, Callable[[Sequence[FloatArray]], FloatArray]] = {
    "laplacian": fuse_laplacian,
    "guided": fuse_guided,
}


def run_baseline(name: str, output: str, *frames: str) -> None:
    """Fuse files into a file by one of `BASELINES`."""
    pictures = [read_image(frame) for frame in frames]
    fused = BASELINES[name]([to_unit(picture) for picture in pictures])
    write_image(output, from_unit(fused, pictures[0].dtype))


# ---- running tools


def find_peers(peers: Sequence[Peer], python: Path) -> dict[Peer, str]:
    """The peers that are there, with the path of their program; says how to get the others."""
    found = {}
    for peer in peers:
        program = shutil.which(peer.program, path=str(python.parent)) or shutil.which(peer.program)
        if program:
            found[peer] = program
        else:
            print(f"{peer.name}: not found: {peer.install}")
    return found


def make_pictures(scene: Scene, found: dict[Peer, str], folder: Path) -> list[str]:
    """Run every peer whose picture of the scene is missing; returns what went wrong, a line each."""
    missing = {peer: program for peer, program in found.items() if not picture_path(folder, peer, scene).exists()}
    if not missing:
        return []
    failures = []
    try:
        with staged(scene) as frames:
            for peer, program in missing.items():
                try:
                    make_picture(scene, peer, program, frames, folder)
                except (ToolError, AllFocusError) as error:
                    failures.append(f"{scene.name}: {peer.name}: {error}")
                    print(failures[-1], flush=True)
    except AllFocusError as error:
        failures.append(f"{scene.name}: {error}")
        print(failures[-1], flush=True)
    return failures


def picture_path(folder: Path, peer: Peer, scene: Scene) -> Path:
    """Where the evaluation looks for a peer's picture of a scene."""
    return folder / peer.name / f"{scene.name.replace('/', '__')}.png"


@contextmanager
def staged(scene: Scene) -> Iterator[list[Path]]:
    """Put the scene's frames into a folder of their own, as files that every tool reads alike.

    As they are, tools would differ in what they make of gray, orientation, colour profiles and JPEG.
    """
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        frames = []
        for number, source in enumerate(scene.frames):
            frames.append(Path(folder) / f"frame_{number:03}.png")
            write_image(frames[-1], as_rgb(read_image(source)))
        yield frames


def as_rgb(image: Array) -> Array:
    """Three channels, equal ones for gray."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def make_picture(scene: Scene, peer: Peer, program: str, frames: Sequence[Path], folder: Path) -> None:
    """Run one tool on staged frames, and keep its picture and its CPU seconds.

    Raises:
        ToolError: it failed, or made no picture of the frames' size.
        AllFocusError: its picture can't be read, or not be kept.
    """
    with tempfile.TemporaryDirectory(prefix="peers-") as place:
        output = Path(place) / "fused.png"
        seconds = run_tool([program, *fill_in(peer.arguments, frames, output)], Path(place))
        picture = fit_to(read_image(scene.frames[0]), read_output(output))
    path = picture_path(folder, peer, scene)
    path.parent.mkdir(parents=True, exist_ok=True)
    note_time(folder / "times.csv", peer, scene, seconds)
    write_image(path, picture)
    print(f"{scene.name}: {peer.name}: {seconds:.1f} s", flush=True)


def fill_in(arguments: Sequence[str], frames: Sequence[Path], output: Path) -> Iterator[str]:
    """The arguments of one call."""
    values = {OUTPUT: [output], FOLDER: [frames[0].parent], FRAMES: frames}
    for argument in arguments:
        yield from map(str, values.get(argument, [argument]))


def run_tool(command: Sequence[str], place: Path) -> float:
    """Run a command in the folder `place`; returns its CPU seconds, those of its own children included.

    Raises:
        ToolError: it could not be started, took too long, or ended with an error.
    """
    before = children_seconds()
    try:
        subprocess.run(
            command,
            cwd=place,
            env={**os.environ, **ONE_THREAD, "XDG_DATA_HOME": str(place)},  # some leave logs at home
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        raise ToolError(f"exit code {error.returncode}: {last_line(error.stdout)}") from error
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"stopped after {PATIENCE} s") from error
    except OSError as error:
        raise ToolError(f"{command[0]} can't be started: {error.strerror}") from error
    return children_seconds() - before


def children_seconds() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def last_line(output: bytes) -> str:
    """What a tool said last: most often why it failed."""
    lines = output.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def read_output(path: Path) -> Array:
    """The tool's picture; raises `ToolError` where there is none."""
    if not path.exists():
        raise ToolError("ended well, but wrote no picture")
    return read_image(path)


def fit_to(frame: Array, picture: Array) -> Array:
    """The picture with as many channels as the scene's frame; raises `ToolError` for another size."""
    height, width = picture.shape[:2]
    if (height, width) != frame.shape[:2]:
        raise ToolError(f"made {width}x{height} pixels of {frame.shape[1]}x{frame.shape[0]}")
    if frame.ndim == 3 or picture.ndim == 2:
        return as_rgb(picture) if frame.ndim == 3 else picture
    return np.rint(picture.mean(axis=2)).astype(picture.dtype)


def note_time(path: Path, peer: Peer, scene: Scene, seconds: float) -> None:
    """Put a call's CPU seconds into the table, in place of an earlier call's."""
    rows = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            rows = {(row["tool"], row["scene"]): row for row in csv.DictReader(file)}
    row = {"tool": peer.name, "scene": scene.name, "frames": str(len(scene.frames)), "cpu_s": f"{seconds:.2f}"}
    rows[peer.name, scene.name] = row
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def main() -> None:
    """Run the study from the command line."""
    if sys.argv[1:2] == [BASELINE]:
        run_baseline(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", default="*", help="scenes to take, such as 'layered/*'")
    parser.add_argument("--tools", default="*", help="tools to run, such as 'openfocus_*'")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter that has the tools")
    parser.add_argument("--model", type=Path, help="weights of our network; the shipped ones if left out")
    arguments = parser.parse_args()
    scenes = [s for s in read_scenes(arguments.scenes) if s.registered and fnmatch(s.name, arguments.only)]
    peers = [peer for peer in PEERS if fnmatch(peer.name, arguments.tools)]
    arguments.output.mkdir(parents=True, exist_ok=True)
    found = find_peers(peers, arguments.python.absolute())
    failures = [line for scene in scenes for line in make_pictures(scene, found, arguments.output)]
    # tools that are gone by now are scored by what they left
    results = {peer.name: arguments.output / peer.name for peer in peers if (arguments.output / peer.name).is_dir()}
    rows = evaluate(scenes, model=arguments.model, results=results)
    print(*write_report(rows, arguments.output / "report"), sep="\n")
    if failures:
        sys.exit("\n".join(["pictures are missing:", *failures]))


if __name__ == "__main__":
    main()
