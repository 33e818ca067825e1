"""What somebody else needs to get the same figures: the command, versions, and checksums of what was measured."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from allfocus._version import __version__
from allfocus.bench.datasets import Scene
from allfocus.decision.model import SHIPPED
from allfocus.errors import ReadError
from allfocus.outputs.report.provenance import sha256, versions


def describe_run(command: Sequence[str], scenes: Sequence[Scene], model: Path | None) -> str:
    """The part of the report that says how to repeat it, as Markdown.

    Args:
        command: as `make_command` returns it.
        scenes: those measured.
        model: the network's weights, if they are not those of the package.
    """
    used = {"allfocus": __version__, **versions()}
    return "\n".join(
        [
            f"## To reproduce\n\n```\n{shlex.join(command)}\n```\n",
            f"- {', '.join(f'{name} {version}' for name, version in used.items())}",
            f"- SHA-256 of the network, {(model or SHIPPED).name}: `{sha256(model or SHIPPED)}`",
            f"- SHA-256 of the checksums of the files of {len(scenes)} scenes: `{hash_scenes(scenes)}`",
        ]
    )


def make_command(scenes: Path, output: Path, options: Mapping[str, object]) -> list[str]:
    """The command line of `allfocus evaluate` with these options by their flags; those left out are None or False."""
    words = ["allfocus", "evaluate", str(scenes), "-o", str(output)]
    for name, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            if each is True:
                words.append(f"--{name}")
            elif each is not None and each is not False:
                words += [f"--{name}", str(each)]
    return words


def hash_scenes(scenes: Sequence[Scene]) -> str:
    """SHA-256 of those of all frames and truths, scene by scene; a file that can't be read counts as none."""
    together = hashlib.sha256()
    for path in [path for scene in scenes for path in (*scene.frames, scene.truth) if path is not None]:
        with suppress(ReadError):  # the table says that the scene failed
            together.update(bytes.fromhex(sha256(path)))
    return together.hexdigest()
