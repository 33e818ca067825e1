"""Where the time of one fusion goes: CPU seconds of its stages, added up over all threads.

    python benchmarks/speed/stages.py [--fast] OUT FRAME ...

Runs the command line in this process and prints one line of JSON: CPU seconds by stage, and the millions of pixels
that the network looked at.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from allfocus.cli import main
from allfocus.composition import compositor as canvas
from allfocus.core import pyramid as octaves
from allfocus.decision import model
from allfocus.decision import stack_pyramid as survey
from allfocus.formats import write
from allfocus.sources import inspect as frames

SECONDS: Counter[str] = Counter()
LOOKED: Counter[str] = Counter()


def account(owner: Any, name: str, stage: str) -> None:
    """Add the CPU time of each call of `owner.name` to a stage."""
    work: Callable[..., Any] = getattr(owner, name)

    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.thread_time()
        try:
            return work(*arguments, **named)
        finally:
            SECONDS[stage] += time.thread_time() - started
            if name == "look":
                count, _, height, width = arguments[1].pixels.shape
                LOOKED["megapixels"] += count * height * width / 1e6

    setattr(owner, name, timed)


if __name__ == "__main__":
    account(frames, "read_frame", "decode")
    for step in ("padded", "patch_energy", "halved"):
        account(octaves, step, "octaves")
    account(survey, "halved", "octaves")
    for part in ("glance", "look", "flaws"):
        account(model.FusionModel, part, "network")
    account(canvas.Canvas, "paint", "composition")
    account(write, "make_content", "encode")
    fast = [argument for argument in sys.argv[1:] if argument == "--fast"]
    output, *names = (argument for argument in sys.argv[1:] if argument != "--fast")
    code = main(["fuse", *names, "-o", output, "-q", *fast])
    SECONDS["rest"] = time.process_time() - sum(SECONDS.values())
    print(json.dumps({"seconds": dict(SECONDS), "looked": LOOKED["megapixels"]}))
    sys.exit(code)
