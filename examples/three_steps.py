"""Align, decide and compose one by one: python examples/three_steps.py [FOLDER].

A decision is made once. Composing again, with other options or only a part of the picture, does not run the network
again. Saved in a file, a decision needs neither the network nor its model. Writes into the current folder.
"""

import sys
from pathlib import Path

import numpy as np

import allfocus

DEMO = Path(allfocus.__file__).parent / "demo_stack"


def main() -> None:
    """Compose one decision in several ways."""
    frames = Path(sys.argv[1]) if len(sys.argv) > 1 else sorted(DEMO.glob("frame*.webp"))
    registered = allfocus.align(frames)
    decision = allfocus.decide(registered)

    whole = allfocus.compose(registered, decision)
    allfocus.save(whole, "band.png")
    hard = allfocus.compose(registered, decision, compose="hard")
    allfocus.save(hard, "hard.png")

    height, width = registered.size
    window = slice(height // 4, height // 2), slice(width // 4, width // 2)
    part = allfocus.compose(registered, decision, window=window)
    print("the window is the same as in the whole:", np.array_equal(part.image, whole.image[window]))

    allfocus.save_decision("stack.decision", decision)
    again = allfocus.compose(registered, allfocus.load_decision("stack.decision"))
    print("composed from the file it is the same:", np.array_equal(again.image, whole.image))


if __name__ == "__main__":
    main()
