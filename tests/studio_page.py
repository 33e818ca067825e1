"""A server as `allfocus studio` starts it, and a browser on its page."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from allfocus.core.color import Array
from allfocus.io import write_image

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "src/allfocus/studio/assets"
CHROMIUM = Path("/usr/bin/chromium")
SCREENS = ROOT / "build/screens"
#: Milliseconds that the page has for anything: machines that run tests are slow.
PATIENCE = 60_000


#: Notes in `seen` the milliseconds from the end of each stroke until it is drawn, and until the picture holds it.
WATCH_STROKES = """() => {
  window.seen = [];
  const { retouch, view } = studio;
  let ended = 0;
  retouch.canvas.addEventListener('pointerup', () => { ended = performance.now(); }, true);
  const draw = retouch.preview.draw.bind(retouch.preview);
  retouch.preview.draw = (context, stroke) => {
    const isWhole = draw(context, stroke);
    if (ended) window.seen.push({ ended });
    ended = 0;
    const one = window.seen.at(-1);
    if (one && isWhole) requestAnimationFrame(() => { one.drawn ??= performance.now() - one.ended; });
    return isWhole;
  };
  const wait = view.whenShown.bind(view);
  view.whenShown = async (...given) => {
    const one = window.seen.at(-1);
    await wait(...given);
    one.shown = performance.now() - one.ended;
  };
}"""


def scene(height: int, width: int, count: int, dtype: str = "uint8", seed: int = 1) -> list[Array]:
    """Frames of a colourful scene of shapes, each sharp in its own band of columns."""
    rng = np.random.default_rng(seed)
    sharp = np.full((height, width, 3), 0.25, np.float32)
    for _ in range(160):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = tuple(float(value) for value in rng.random(3))
        cv2.circle(sharp, centre, int(rng.integers(4, max(height // 8, 6))), colour, -1 if rng.random() < 0.5 else 2)
    sharp = np.clip(sharp + rng.normal(0, 0.04, sharp.shape).astype(np.float32), 0, 1)
    white = 255 if dtype == "uint8" else 65535
    frames = []
    for k in range(count):
        far = np.abs(np.linspace(0, count, width, dtype=np.float32) - k - 0.5)
        blurred, deeper = cv2.GaussianBlur(sharp, (0, 0), 2), cv2.GaussianBlur(sharp, (0, 0), 5)
        share = np.clip(far - 0.5, 0, 1)[None, :, None]
        more = np.clip(far - 1.5, 0, 1)[None, :, None]
        frame = sharp * (1 - share) + (blurred * (1 - more) + deeper * more) * share
        frames.append(np.rint(frame * white).astype(dtype))
    return frames


def write_scene(folder: Path, height: int, width: int, count: int, dtype: str = "uint8", suffix: str = ".png") -> Path:
    """A folder of such frames."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, frame in enumerate(scene(height, width, count, dtype)):
        write_image(folder / f"img_{k}{suffix}", frame)
    return folder


@dataclass
class Studio:
    """A running server.

    Attributes:
        address: of the page, with its token.
        process: the command.
        cookie: what the page's requests carry.
    """

    address: str
    process: subprocess.Popen[str]
    cookie: str = field(default="")

    @property
    def port(self) -> int:
        return int(re.search(r":(\d+)/", self.address).group(1))  # type: ignore[union-attr]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """Send one request, with the page's cookie unless told otherwise; returns status and body."""
        if not self.cookie:
            self.cookie = self._enter()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Cookie": self.cookie, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        content = answer.status, answer.read()
        connection.close()
        return content

    def state(self) -> dict[str, Any]:
        """What the server says of itself."""
        found: dict[str, Any] = json.loads(self.ask("GET", "/api/state")[1])
        return found

    def _enter(self) -> str:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", self.address.partition(str(self.port))[2])
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return str(answer.headers["set-cookie"]).partition(";")[0]


@contextmanager
def running(*typed: object) -> Iterator[Studio]:
    """Start the command, wait until it tells its address, and end it."""
    command = [sys.executable, "-m", "allfocus", "studio", *map(str, typed), "--no-browser"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("page: http://"), line + process.stdout.read()
        yield Studio(line.split()[-1], process)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()


@contextmanager
def opened(browser: Any, address: str, width: int = 1280, height: int = 800, **more: Any) -> Iterator[Any]:
    """The page in a window of its own; errors in its scripts fail the test."""
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Security Policy" in message.text else None)
    own = address.partition("?")[0]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert not errors
    foreign = [url for url in asked if not url.startswith((own, f"blob:{own}", "data:"))]
    assert not foreign  # nothing is asked of any other host


def wait_ready(page: Any) -> None:
    """Wait until the picture is there."""
    page.locator("#stage", has_text="Ready").wait_for()


def check_access(page: Any) -> None:
    """Fail where axe-core finds something serious on the page."""
    axe = ROOT / "web/node_modules/axe-core/axe.min.js"
    page.evaluate(axe.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    serious = [
        f"{one['id']}: {one['help']} ({one['nodes'][0]['html'][:120]})"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert not serious


def shoot(page: Any, name: str) -> None:
    """Keep a screenshot for a person to look at."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=str(SCREENS / f"{name}.png"))
