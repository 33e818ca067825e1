"""Where the time of one fusion goes: CPU seconds of its stages, added up over all threads.

    python benchmarks/speed/stages.py [--fast] OUT FRAME ...

Runs the command line in this process and prints one line of JSON: CPU seconds by stage, and the millions of pixels
that the network was given at levels finer than the coarsest.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from allfocus import registered
from allfocus.cli import main
from allfocus.composition.compositor import Compositor
from allfocus.composition.veil import VeilRemover
from allfocus.core import pyramid
from allfocus.decision import stack_pyramid
from allfocus.decision.model import FusionModel
from allfocus.formats import write
from allfocus.sources import inspect

SECONDS: Counter[str] = Counter()
GIVEN: Counter[str] = Counter()


def account(owner: Any, name: str, stage: str) -> None:
    """Add the CPU time of each call of `owner.name` to a stage."""
    work: Callable[..., Any] = getattr(owner, name)

    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.thread_time()
        try:
            return work(*arguments, **named)
        finally:
            SECONDS[stage] += time.thread_time() - started
            if name == "refine":
                count, _, height, width = arguments[1].pixels.shape
                GIVEN["megapixels"] += count * height * width / 1e6

    setattr(owner, name, timed)


if __name__ == "__main__":
    account(inspect, "read_covered", "decode")
    for step in ("pad", "patch_energy", "halve"):
        account(pyramid, step, "pyramid levels")
    for step in ("halve", "patch_energy"):
        if hasattr(stack_pyramid, step):
            setattr(stack_pyramid, step, getattr(pyramid, step))
    for part in ("answer_coarsest", "refine", "judge"):
        account(FusionModel, part, "network")
    account(Compositor, "add", "composition")
    account(registered, "measure_defocus", "halos")
    account(VeilRemover, "_remove_in", "halos")
    account(write, "make_content", "encode")
    fast = [argument for argument in sys.argv[1:] if argument == "--fast"]
    output, *names = (argument for argument in sys.argv[1:] if argument != "--fast")
    code = main(["fuse", *names, "-o", output, "-q", *fast])
    SECONDS["start, alignment and all else"] = time.process_time() - sum(SECONDS.values())
    print(json.dumps({"seconds": dict(SECONDS), "looked": GIVEN["megapixels"]}))
    sys.exit(code)
