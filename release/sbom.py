"""Write what allfocus is made of and needs, as CycloneDX: python release/sbom.py FOLDER.

    python.cdx.json   packages of the core and what they need in turn, as pinned in constraints.txt; by cyclonedx-py
    page.cdx.json     what is bundled into the page's JavaScript, by npm

Neither holds a time or a random number, so that the same state of the sources gives the same bytes.
"""

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([\w.-]+)==(\S+)$", re.MULTILINE)


def core() -> list[str]:
    """The pins of all that the core needs, directly or not, on the platform that this runs on."""
    pins = {canonicalize_name(name): version for name, version in PIN.findall((ROOT / "constraints.txt").read_text())}
    seen: set[str] = set()
    waiting = ["allfocus"]
    while waiting:
        for line in needs(waiting.pop()):
            wanted = Requirement(line)
            name = canonicalize_name(wanted.name)
            if name not in seen and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
                seen.add(name)
                waiting.append(name)
    return [f"{name}=={pins[name]}" for name in sorted(seen)]


def needs(name: str) -> list[str]:
    """What an installed package asks for."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        sys.exit(f"{name} is not installed; run make wheel, which sets it up")


def python_list() -> str:
    """The list of Python packages."""
    tool = Path(sys.executable).parent / "cyclonedx-py"
    command = [
        str(tool),
        "requirements",
        "--pyproject",
        "pyproject.toml",
        "--output-reproducible",
        "--short-PURLs",
        "-",
    ]
    return run(command, "\n".join(core()))


def page_list() -> str:
    """The list of what the page bundles, without what differs from run to run."""
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is not installed; expected it to list what the page bundles")
    words = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only", "--omit", "dev"]
    found = json.loads(run([npm, "--prefix", "web", *words], ""))
    found.pop("serialNumber", None)
    found["metadata"].pop("timestamp", None)
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def run(command: list[str], given: str) -> str:
    """What a command prints; ends with its words where it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def main() -> None:
    """Write both."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "python.cdx.json").write_text(python_list(), encoding="utf-8")
    (folder / "page.cdx.json").write_text(page_list(), encoding="utf-8")


if __name__ == "__main__":
    main()
