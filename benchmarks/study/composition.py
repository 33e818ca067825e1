"""Compare the compositions on scenes with truth: python benchmarks/study/composition.py SCENES.json [--model FILE].

One Markdown table: PSNR over the Laplacian rule, the same in the ring round focus edges, SSIM; and how often and by how
much the two-band composition would leave the range of the frames if it were not clamped.
"""

import argparse
from pathlib import Path

import numpy as np

import allfocus
from allfocus import Decision, Registered, read_image
from allfocus.bench.datasets import Scene, read_scenes
from allfocus.composition.blend import two_bands
from allfocus.core.color import Array, to_unit
from allfocus.core.weights import pick
from allfocus.core.windows import relative_to
from allfocus.decision.laplacian import laplacian_index_map
from allfocus.metrics.reference import focus_ring, oracle_index_map, psnr, ssim
from allfocus.options import COMPOSITIONS

#: A scene whose yardsticks are too far apart for a mean to say something.
LEFT_OUT = ("lightfield/cotton",)


def gains(scene: Scene, registered: Registered, decision: Decision, truth: Array) -> dict[str, tuple[float, ...]]:
    """For each composition PSNR over `wta`, the same in the ring, and SSIM over `wta`'s."""
    frames = list(registered.frames)
    ring = focus_ring(oracle_index_map(frames, truth), len(frames))
    wta = pick(frames, laplacian_index_map(frames))

    def scores(image: Array) -> np.ndarray:
        border = scene.border
        return np.array([psnr(image, truth, border), psnr(image, truth, border, ring), ssim(image, truth, border)])

    base = scores(wta)
    found = {}
    for how in COMPOSITIONS:
        found[how] = tuple(scores(allfocus.compose(registered, decision, compose=how).image) - base)
    return found


def overshoot(frames: list[Array], decision: Decision) -> tuple[float, float]:
    """Share of samples that two bands put outside the range of the frames by more than rounding; and the largest."""
    outside, largest, samples = 0, 0.0, 0
    low, high = (to_unit(bound) for bound in (np.min(frames, axis=0), np.max(frames, axis=0)))
    for tile in decision.tiles():
        choice = decision.decide_tile(tile)
        candidates = [frames[position][choice.around] for position in choice.candidates]
        mixed = two_bands(candidates, choice.weights)[relative_to(choice.window, choice.around)]
        beyond = np.maximum(low[choice.window] - mixed, mixed - high[choice.window])
        outside += int((beyond > 0.5 / 255).sum())
        largest, samples = max(largest, float(beyond.max())), samples + beyond.size
    return outside / samples, largest * 255


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, list[tuple[float, ...]]] = {how: [] for how in COMPOSITIONS}
    beyond = []
    for scene in read_scenes(arguments.scenes):
        if scene.truth is None or not scene.registered or scene.name in LEFT_OUT:
            continue
        registered = allfocus.align([read_image(path) for path in scene.frames], align="none")
        decision = allfocus.decide(registered, model=arguments.model)
        for how, values in gains(scene, registered, decision, read_image(scene.truth)).items():
            rows[how].append(values)
        beyond.append(overshoot(list(registered.frames), decision))
    print("| composition | PSNR dB | ring PSNR dB | SSIM |\n|---|---:|---:|---:|")
    for how, values in rows.items():
        whole, ring, ssim_gain = np.mean(values, axis=0)
        print(f"| {how} | {whole:+.3f} | {ring:+.3f} | {ssim_gain:+.4f} |")
    shares, largest = zip(*beyond, strict=True)
    print(
        f"\nband, unclamped: {np.mean(shares):.3%} of samples outside the frames' range, by {max(largest):.1f} of 255"
    )


if __name__ == "__main__":
    main()
