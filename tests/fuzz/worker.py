"""A process that reads fuzzed files, one after the other, with limits; ended by one, it is started anew behind it."""

import json
import logging
import os
import random
import resource
import sys
import traceback
import warnings
from pathlib import Path

from fuzz.mutate import mutate
from fuzz.targets import fuzz_one

#: Bytes that one file may take.
MEMORY = 1_000_000_000


#: What the driver listens to; decoders written in C may speak on stdout and stderr.
told = os.fdopen(os.dup(1), "w")


def tell(what: dict[str, object]) -> None:
    """Say something to the driver."""
    told.write(json.dumps(what) + "\n")
    told.flush()


def work(folder: Path, seed: int, start: int) -> None:
    """Make and read files from number `start` on, for ever; says on stdout which comes next and what failed."""
    seeds = {path.name: path.read_bytes() for path in sorted((folder / "seeds").iterdir())}
    names = list(seeds)
    sound = folder / "seeds" / "a.png"
    fuzz_one(sound, sound)  # loads what is loaded once
    limit_memory()
    number = start
    while True:
        rng = random.Random(f"{seed} {number}")
        name = names[number % len(names)]
        path = folder / "now" / name
        path.write_bytes(mutate(seeds[name], seeds, rng))
        tell({"next": number, "name": name})
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            fuzz_one(path, sound)
        except BaseException as error:
            said = traceback.format_exception(error)
            tell({"failed": number, "name": name, "why": "".join(said)[-3000:]})
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        if grown > MEMORY:
            tell({"failed": number, "name": name, "why": f"{grown} bytes of memory"})
        number += 1


def limit_memory() -> None:
    """Let this process have so much more than it has now, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        most = pages * resource.getpagesize() + MEMORY + MEMORY // 2  # address space is more than memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    os.environ["OPENCV_LOG_LEVEL"] = "SILENT"
    for number in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    logging.getLogger().addHandler(logging.NullHandler())
    warnings.simplefilter("ignore")
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
