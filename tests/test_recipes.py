"""The recipes for containers and forges: what tools find in them, and what must hold anyway."""

import re
import runpy
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTAINERFILE = ROOT / "containers/Containerfile"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def stages() -> dict[str, list[str]]:
    """The instructions of each stage of the container, with lines that go on joined."""
    found: dict[str, list[str]] = {}
    text = re.sub(r"\\\n\s*", "", CONTAINERFILE.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if line.startswith("FROM "):
            lines = found.setdefault(line.split(" AS ")[1], [])
        if line and not line.startswith("#"):
            lines.append(line)
    return found


def test_containers_run_as_an_ordinary_user_and_the_page_is_watched() -> None:
    found = stages()
    assert "USER 10001" in found["base"]
    assert all(lines[0] == f"FROM base AS {name}" for name, lines in found.items() if name in ("page", "program"))
    assert any(line.startswith("HEALTHCHECK ") for line in found["page"])
    images = [line.split()[1] for lines in found.values() for line in lines if line.startswith("FROM ")]
    assert all(":" in image or image in found for image in images)
    assert not [image for image in images if image.endswith(":latest")]


def test_what_containers_copy_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() == ignored
    for lines in stages().values():
        for line in lines:
            if line.startswith("COPY ") and "--from" not in line:
                assert all((ROOT / name).exists() and name not in ignored for name in line.split()[1:-1])


def test_the_health_check_tells_an_answer_from_silence() -> None:
    is_alive = runpy.run_path(str(ROOT / "containers/health.py"))["is_alive"]

    class Refuses(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Refuses) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert is_alive(server.server_port)
        server.shutdown()
    assert not is_alive(server.server_port)


def test_hadolint_finds_nothing() -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run(["hadolint", str(CONTAINERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_workflows_keep_to_the_schema_of_the_forge() -> None:
    if find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed (extra: release)")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_workflows_run_targets_that_there_are() -> None:
    targets = set(re.findall(r"^([\w-]+(?: [\w-]+)*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    known = {name for line in targets for name in line.split()}
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        assert "permissions:\n  contents: read\n" in text
        for line in re.findall(r"make ([a-z -]+)", text):
            assert set(line.split()) <= known
