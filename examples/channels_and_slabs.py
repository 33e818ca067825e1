"""Several channels by one decision, and sub-stacks of it: python examples/channels_and_slabs.py [FOLDER].

Channels: one channel of the frames is aligned and decided on; the others follow its motions and its decision, so that
ratios between channels keep their meaning. Here the green channel decides for red and blue.

Slabs: parts of a registered stack that are fused by themselves, for retouching. Writes into the current folder.
"""

import sys
from pathlib import Path

import allfocus

DEMO = Path(allfocus.__file__).parent / "demo_stack"


def main() -> None:
    """Fuse the channels, then two overlapping slabs."""
    paths = Path(sys.argv[1]) if len(sys.argv) > 1 else sorted(DEMO.glob("frame*.webp"))
    stack = allfocus.read_stack(paths)

    red, green, blue = ([frame[..., channel] for frame in stack] for channel in range(3))
    registered = allfocus.align(green)
    others = [allfocus.align(channel, like=registered) for channel in (red, blue)]
    result = allfocus.compose(registered, allfocus.decide(registered), channels=others)
    for name, image in zip(
        ("red", "green", "blue"), (result.channels[0], result.image, result.channels[1]), strict=True
    ):
        allfocus.write_image(f"{name}.png", image)

    whole = allfocus.align(paths)
    count = len(whole.positions)
    size = (count + 1) // 2 + 1
    for number, positions in enumerate((whole.positions[:size], whole.positions[-size:]), start=1):
        slab = whole.pick(positions)
        fused = allfocus.compose(slab, allfocus.decide(slab))
        allfocus.save(fused, f"slab{number}.png")
        print(f"slab {number}: {', '.join(whole.names[position] for position in positions)}")


if __name__ == "__main__":
    main()
