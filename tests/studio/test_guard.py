"""What keeps others out of the page: token, Host, Origin, folders, sizes."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Cli
from studio_page import Studio, running, write_scene

FORM = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, page_files: None) -> Iterator[Studio]:
    stack = write_scene(tmp_path_factory.mktemp("guard") / "stack", 240, 320, 3)
    with running(stack, "--method", "laplacian") as started:
        yield started


@pytest.mark.slow
def test_only_who_knows_the_token_gets_in(studio: Studio) -> None:
    assert studio.ask("GET", "/")[0] == 200
    for cookie in ("", "allfocus=x", f"allfocus-{studio.port}=wrong", "\x80=;;"):
        studio.cookie = studio.cookie or "x"
        assert studio.ask("GET", "/api/state", Cookie=cookie)[0] == 401
        assert studio.ask("GET", "/?token=wrong", Cookie=cookie)[0] == 401
        assert studio.ask("POST", "/api/cancel", {}, Cookie=cookie)[0] == 401


@pytest.mark.slow
@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_another_name_for_this_machine_is_refused(studio: Studio, host: str) -> None:
    assert studio.ask("GET", "/api/state", Host=host or "x")[0] == 403


@pytest.mark.slow
def test_other_pages_are_refused(studio: Studio) -> None:
    own = f"127.0.0.1:{studio.port}"
    assert studio.ask("POST", "/api/cancel", {}, Origin=f"http://{own}", Host=own)[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"http://localhost:{studio.port}"):
        assert studio.ask("POST", "/api/cancel", {}, Origin=origin, Host=own)[0] == 403
    assert studio.ask("GET", "/api/state", Sec_Fetch_Site="cross-site")[0] == 403


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    ["/assets/../server.py", "/assets/..%2fserver.py", "/assets/%2e%2e%2f%2e%2e%2foptions.py", "/thumbnails/../../x"],
)
def test_no_other_file_is_served(studio: Studio, path: str) -> None:
    assert studio.ask("GET", path)[0] == 404


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../out.png", "/out.png", "a/../../out.png", "", "no/such/folder.png"])
def test_nothing_is_written_elsewhere(studio: Studio, path: str) -> None:
    status, answer = studio.ask("POST", "/api/save", {"path": path})
    assert status == 400
    assert json.loads(answer)["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"action": "add"}', b'{"action": "add", "stroke": 5}', b'{"action": "x"}', b"\xff", b"null"],
)
def test_requests_that_make_no_sense_are_answered(studio: Studio, body: bytes) -> None:
    status, answer = studio.ask("POST", "/api/strokes", body)
    assert status == 400
    assert "\n" not in json.loads(answer)["error"]


@pytest.mark.slow
def test_a_request_without_end_is_cut_short(studio: Studio) -> None:
    assert studio.ask("POST", "/api/strokes", b" " * 4_100_000)[0] == 413


@pytest.mark.slow
@pytest.mark.parametrize("place", ["result/99/0/0", "result/0/999/0", "frame/9/0/0/0", "nothing/0/0/0"])
def test_tiles_that_are_not_there(studio: Studio, place: str) -> None:
    assert studio.ask("GET", f"/tiles/{place}")[0] == 404


@pytest.mark.slow
def test_it_ends_when_it_is_told_to(tmp_path: Path, page_files: None) -> None:
    stack = write_scene(tmp_path / "stack", 240, 320, 3)
    with running(stack, "--method", "laplacian") as started:
        started.ask("GET", "/api/state")
        asked = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {started.cookie}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", started.port)) as listener:
            listener.sendall(asked.encode())
            assert b"200 OK" in listener.recv(1000)
            started.process.send_signal(signal.SIGTERM)
            assert started.process.wait(10) in (0, 130)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["--host", "0.0.0.0"], "--token"),
        (["--host", "no such host"], "host"),
        (["--port", "99999"], "port"),
    ],
)
def test_addresses_that_can_t_be_had(tmp_path: Path, cli: Cli, page_files: None, typed: list[str], says: str) -> None:
    stack = write_scene(tmp_path / "stack", 60, 80, 3)
    done = cli("studio", stack, "--method", "laplacian", "--no-browser", *typed)
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.slow
def test_layers_are_saved_beside_the_picture(tmp_path: Path, page_files: None) -> None:
    with running(write_scene(tmp_path / "stack", 240, 320, 3), "--method", "laplacian") as studio:
        save_layers(studio)


def save_layers(studio: Studio) -> None:
    limit = time.monotonic() + 60
    while studio.state()["state"] != "ready" and time.monotonic() < limit:
        time.sleep(0.1)
    for ending, start in ((".psd", b"8BPS"), (".ora", b"PK")):
        status, answer = studio.ask("POST", "/api/save", {"path": "out.tif", "layers": ending})
        assert status == 200, answer
        files = [Path(path) for path in json.loads(answer)["files"]]
        assert [path.name for path in files] == ["out.tif", f"out_layers{ending}"]
        assert files[1].read_bytes().startswith(start)
    assert studio.ask("POST", "/api/save", {"path": "out.tif", "layers": ".exe"})[0] == 400
    assert studio.ask("GET", "/api/at?x=5&y=5&radius=nan")[0] == 400
