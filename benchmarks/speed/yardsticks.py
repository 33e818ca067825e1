"""What the same machine takes, in the same minutes, for things that everybody knows.

    python benchmarks/speed/yardsticks.py FRAME ...

Prints one line of JSON: CPU seconds that OpenCV takes for one pass of Laplacian pyramids over the frames, once they are
decoded; and the multiply-adds a second of one thread in a large product of matrices.
"""

import json
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import cv2
import numpy as np

#: Levels of the pyramids.
LEVELS = 6
#: Side of the matrices, and how often they are multiplied.
SIDE, TIMES = 1536, 6


def pyramid_pass(names: list[str]) -> float:
    """Fuse by the largest coefficient of Laplacian pyramids (Burt and Adelson 1983, doi:10.1109/TCOM.1983.1095851)."""
    cv2.setNumThreads(1)
    spent, best = 0.0, None
    for name in names:
        frame = cv2.imread(name).astype(np.float32)
        started = time.process_time()
        levels = []
        for _ in range(LEVELS):
            smaller = cv2.pyrDown(frame)
            levels.append(frame - cv2.pyrUp(smaller, dstsize=frame.shape[1::-1]))
            frame = smaller
        levels.append(frame)
        if best is None:
            best = levels
        else:
            for kept, level in zip(best, levels, strict=True):
                np.copyto(kept, level, where=np.abs(level) > np.abs(kept))
        spent += time.process_time() - started
    assert best is not None
    started = time.process_time()
    picture = best.pop()
    while best:
        level = best.pop()
        picture = level + cv2.pyrUp(picture, dstsize=level.shape[1::-1])
    np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return spent + time.process_time() - started


def multiply_adds() -> float:
    """Multiply-adds a second, in float32, of one thread at its best."""
    one = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    seconds = []
    for _ in range(TIMES):
        started = time.perf_counter()
        one @ one
        seconds.append(time.perf_counter() - started)
    return float(SIDE**3 / min(seconds))


if __name__ == "__main__":
    print(json.dumps({"pyramid": pyramid_pass(sys.argv[1:]), "multiply_adds": multiply_adds()}))
