"""Crowds, slow clients, full disks, hostile requests: what runs goes on, and nothing is lost."""

import contextlib
import json
import os
import resource
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from allfocus.errors import ReadError
from studio_page import Studio, opened, running, wait_ready, write_scene

pytest.importorskip("uvicorn", reason="the page needs the extra web")

from allfocus.studio.guard import Guard
from allfocus.studio.shelf import Shelf

#: Files that a server may have open here: few, so that a crowd of a few hundred would be too many.
FEW_FILES = 256
VERSIONS = "Object.values(studio.state.layers).map((layer) => layer.version)"
FAST = ("--method", "laplacian", "--align", "none")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, page_files: None) -> Iterator[Studio]:
    """A server for the tests that leave it as it was."""
    root = tmp_path_factory.mktemp("attacks")
    with running(write_scene(root / "stack", 240, 320, 3), *FAST, "--root", root) as started:
        wait_until_ready(started)
        yield started


def wait_until_ready(studio: Studio) -> None:
    limit = time.monotonic() + 60
    while (state := studio.state())["state"] in ("opening", "running") and time.monotonic() < limit:
        time.sleep(0.1)
    assert state["state"] == "ready", state["error"]


def ask_often(studio: Studio, path: str, times: int) -> None:
    """Ask again and again; no answer is waited for longer than it takes."""
    for _ in range(times):
        with contextlib.suppress(OSError, HTTPException):
            studio.ask("GET", path)


def connect(studio: Studio, request: str) -> socket.socket | None:
    """Somebody who asks for something, in part or in full, and says and reads nothing more."""
    with contextlib.suppress(OSError):
        client = socket.create_connection(("127.0.0.1", studio.port), timeout=2)
        client.sendall(request.encode())
        return client
    return None


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_crowds_and_slow_clients_can_t_stop_a_run(tmp_path: Path, page_files: None) -> None:
    stack = write_scene(tmp_path / "stack", 500, 700, 5)
    with running(stack) as studio:
        _, most = resource.prlimit(studio.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(studio.process.pid, resource.RLIMIT_NOFILE, (FEW_FILES, most))
        studio.state()
        head = f"Host: 127.0.0.1\r\nCookie: {studio.cookie}\r\n"
        requests = (
            "GET / HTTP/1.1\r\nHo",  # never says what it wants
            f"GET /api/state HTTP/1.1\r\n{head}\r\n" * 20,  # never reads
            f"PUT /dropped/b/f/x.png HTTP/1.1\r\n{head}Content-Length: 1000\r\n\r\nx",  # never ends
        )
        crowd = [connect(studio, requests[k % 3 if k < 40 else 0]) for k in range(2 * FEW_FILES)]
        paths = ("/api/state", "/tiles/frame/0/0/0/0", "/thumbnails/img_0.png", "/api/recent", "/nothing")
        flood = [Thread(target=ask_often, args=(studio, path, 40)) for path in paths]
        for thread in flood:
            thread.start()
        wait_until_ready(studio)
        for thread in flood:
            thread.join()
        for client in crowd:
            if client is not None:
                client.close()
        assert studio.ask("POST", "/api/save", {"path": "out.png"})[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"action": "undo", "count": 1e999}',
        b'{"action": "undo", "count": ' + b"9" * 5000 + b"}",
        b'{"action": "hide", "number": -1}',
        b'{"action": "add", "stroke": {"frame": "img_0.png", "points": [[1e999, 1]], "radius": 5}}',
        b'{"action": "add", "stroke": {"frame": "img_0.png", "points": [[NaN, 1]], "radius": 5}}',
        b'{"action": "add", "stroke": {"frame": "../../img_0.png", "points": [[1, 1]], "radius": 5}}',
        b'{"action": "add", "stroke": {"source": "<script>", "points": [[1, 1]], "radius": 5}}',
    ],
    ids=lambda body: body[:60].decode(),
)
def test_hostile_numbers_and_texts_are_one_line(studio: Studio, body: bytes) -> None:
    status, answer = studio.ask("POST", "/api/strokes", body)
    assert status == 400
    assert "\n" not in json.loads(answer)["error"]
    assert not studio.state()["strokes"]


@pytest.mark.slow
def test_a_name_that_no_disk_takes_is_one_line(studio: Studio) -> None:
    status, answer = studio.ask("POST", "/api/save", {"path": "n" * 300 + ".tif"})
    assert status == 400
    assert "choose a shorter name" in json.loads(answer)["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "place", ["nobody/0/0", "%2e%2e%2fframe/0/0", "nearer/9/0", "nearer/0/9", "frame:img_0.png/0/0"]
)
def test_sources_that_are_none_have_no_tiles(studio: Studio, place: str) -> None:
    assert studio.ask("GET", f"/sources/{place}")[0] == 404
    assert studio.ask("GET", "/sources/nearer/0/0")[0] == 200


@pytest.mark.slow
def test_far_strokes_change_nothing(studio: Studio) -> None:
    before = studio.state()["layers"]["result"]["version"]
    for place in (1e300, -1e18, 1e6):
        stroke = {"frame": "img_0.png", "points": [[place, 5]], "radius": 5}
        assert studio.ask("POST", "/api/strokes", {"action": "add", "stroke": stroke})[0] in (200, 400)
    assert studio.state()["layers"]["result"]["version"] == before
    studio.ask("POST", "/api/strokes", {"action": "undo", "count": 3})


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # it would keep the beginning of compiled modules
    stack = write_scene(tmp_path / "stack", 240, 320, 3)
    with running(stack, *FAST) as studio, opened(browser, studio.address) as page:
        wait_ready(page)
        assert studio.ask("POST", "/api/save", {"path": "out.png"})[0] == 200
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        _, most = resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE, (100, most))
        page.get_by_role("tab", name="Save").click()
        page.get_by_label("File", exact=True).fill("out.png")
        page.get_by_role("button", name="Save picture").click()
        page.locator("#failure", has_text="out.png").wait_for()
        stroke = {"frame": "img_0.png", "points": [[100, 100]], "radius": 20}
        assert studio.ask("POST", "/api/strokes", {"action": "add", "stroke": stroke})[0] == 200
        page.locator("#failure", has_text="the project is not saved").wait_for()
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
        resource.prlimit(studio.process.pid, resource.RLIMIT_FSIZE, (most, most))
        page.get_by_role("button", name="Save picture").click()
        page.locator("#saved", has_text="Saved").wait_for()
    assert len(json.loads((tmp_path / "stack.allfocus.json").read_text())["strokes"]) == 1  # there was room at the end


@pytest.mark.slow
def test_dropped_files_are_limited_before_they_are_read(studio: Studio) -> None:
    connection = HTTPConnection("127.0.0.1", studio.port, timeout=10)
    connection.putrequest("PUT", "/dropped/b/f/large.png", skip_host=True)
    for name, value in (("Host", "127.0.0.1"), ("Cookie", studio.cookie), ("Content-Length", str(10**10))):
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 400
    assert "4 GB each" in json.loads(answer.read())["error"]
    connection.close()


@pytest.mark.slow
def test_pictures_too_large_to_decode_are_refused(studio: Studio) -> None:
    for k in range(2):
        assert studio.ask("PUT", f"/dropped/bomb/f/{k}.png", bomb())[0] == 200
    folder = json.loads(studio.ask("PUT", "/dropped/bomb/f/note.txt", b"x")[1])["folder"]
    started = time.monotonic()
    status, answer = studio.ask("POST", "/api/open", {"path": folder})
    assert status == 400
    said = json.loads(answer)["error"]
    assert "0.png" in said
    assert "allfocus-studio-" not in said
    assert time.monotonic() - started < 10
    assert studio.state()["state"] == "ready"  # what was open stays open


def bomb() -> bytes:
    """A PNG file that says it is of 90,000 x 90,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 90_000, 90_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.slow
def test_the_page_goes_on_when_the_server_is_back(tmp_path: Path, browser: Any) -> None:
    stack = write_scene(tmp_path / "stack", 240, 320, 3)
    with running(stack, *FAST) as studio:
        port, token = studio.port, studio.address.partition("token=")[2]
        with opened(browser, studio.address) as page:
            wait_ready(page)
            stroke = {"frame": "img_0.png", "points": [[100, 100]], "radius": 20}
            studio.ask("POST", "/api/strokes", {"action": "add", "stroke": stroke})
            studio.ask("POST", "/api/project", {})
            studio.process.kill()
            studio.process.wait()
            page.locator("#failure", has_text="does not answer").wait_for()
            before = page.evaluate(VERSIONS)
            with running(stack, *FAST, "--port", port, "--token", token):
                page.locator("#failure").wait_for(state="hidden")
                wait_ready(page)
                assert not set(before) & set(page.evaluate(VERSIONS))  # browsers keep tiles by these
                assert page.evaluate("studio.state.strokes.length") == 1


def test_a_ticket_lets_one_page_in() -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    guard = Guard(answer, "secret", frozenset({"127.0.0.1"}))
    ticket = guard.make_ticket()

    def enter(token: str) -> tuple[int, str]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": f"token={token}".encode(),
            "headers": [(b"host", b"127.0.0.1:5")],
            "server": ("127.0.0.1", 5),
        }
        with contextlib.suppress(StopIteration):  # nothing is waited for
            guard(scope, None, send).send(None)  # type: ignore[attr-defined]
        return sent[0]["status"], str(dict(sent[0]["headers"]).get(b"set-cookie", b""))

    status, cookie = enter(ticket)
    assert status == 303
    assert "secret" in cookie
    assert enter(ticket)[0] == 401
    assert enter("secret")[0] == enter("secret")[0] == 303


def test_a_folder_that_can_t_be_read_is_one_line(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    shelf, user = Shelf([tmp_path], tmp_path / "recent.json"), os.geteuid()
    tmp_path.chmod(0o755)
    closed.chmod(0)
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(ReadError, match="Permission denied; choose another"):
            shelf.look(str(closed))
    finally:
        os.seteuid(user)
        closed.chmod(0o700)
