"""Retouch: take an area from a frame of your choice: python examples/paint_over.py [FOLDER].

A stroke of a round brush goes over the decision; under it, one frame has all the weight. The network does not run
again. Writes into the current folder.
"""

import sys
from pathlib import Path

import allfocus

DEMO = Path(allfocus.__file__).parent / "demo_stack"


def main() -> None:
    """Paint the first frame over the middle of the picture."""
    frames = Path(sys.argv[1]) if len(sys.argv) > 1 else sorted(DEMO.glob("frame*.webp"))
    registered = allfocus.align(frames)
    decision = allfocus.decide(registered)

    height, width = registered.size
    x, y = width / 2, height / 2
    # frames of a stroke are counted among those that are used: positions[0] is the first one's number in the input
    stroke = allfocus.Stroke(frame=0, points=((x - 60, y), (x + 60, y)), radius=40, hardness=0.7)
    painted = allfocus.PaintedDecision(decision, [stroke])
    result = allfocus.compose(registered, painted)

    allfocus.save(result, "retouched.png")
    print("under the brush:", result.names[result.index_map[height // 2, width // 2]])


if __name__ == "__main__":
    main()
