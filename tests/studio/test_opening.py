"""From what was typed to a page: it is there before the stack, and hears what is wrong."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from studio_page import ROOT, running, write_scene

pytest.importorskip("uvicorn", reason="the page needs the extra web")

from allfocus.studio.front import Front
from allfocus.studio.hub import Hub


def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
    """What comes of it, in a thread of its own: a browser of other tests holds the event loop of this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_the_front_answers_before_there_is_a_session(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("page")
    front, asked = Front(Hub(), tmp_path), []

    async def behind(scope: dict[str, object], receive: object, send: object) -> None:
        asked.append(scope["path"])

    async def ask(path: str) -> int:
        sent = []

        async def send(message: dict[str, int]) -> None:
            sent.append(message)

        async def receive() -> dict[str, str]:
            await asyncio.Event().wait()
            raise AssertionError

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        await front.app()(scope, receive, send)  # type: ignore[arg-type]
        return sent[0]["status"] if sent else 0

    async def ask_all() -> None:
        state = asyncio.ensure_future(ask("/api/state"))
        assert await ask("/") == 200
        assert await ask("/assets/none.js") == 404
        assert not state.done()
        front.let_in(behind)
        await asyncio.wait_for(state, 10)

    run_apart(ask_all())
    assert asked == ["/api/state"]


def test_a_page_that_comes_late_hears_why_the_server_ends() -> None:
    hub = Hub()
    hub.end("no such stack")

    async def listen() -> list[str]:
        stream = hub.stream()
        told = [await anext(stream), await anext(stream)]
        assert hub.heard.is_set()
        hub.close()
        return [*told, *[one async for one in stream]]

    assert json.loads(run_apart(listen())[1].removeprefix("data: ")) == {"kind": "end", "message": "no such stack"}


def fail_to_open(typed: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "allfocus", "studio", str(typed), "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


@pytest.mark.slow
def test_what_can_t_be_opened_is_said_and_ends_the_server(tmp_path: Path, page_files: None) -> None:
    (tmp_path / "wrong").mkdir()
    for k in range(3):
        (tmp_path / f"wrong/{k}.png").write_bytes(b"no picture")
    done = fail_to_open(tmp_path / "wrong")
    assert done.returncode == 1
    assert "0.png" in done.stderr
    assert "Traceback" not in done.stderr
    done = fail_to_open(tmp_path / "none")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "page:" not in done.stdout  # a browser would have been opened for nothing


@pytest.mark.slow
def test_two_tabs_that_fuse_at_once_leave_one_run(tmp_path: Path, page_files: None) -> None:
    stack = write_scene(tmp_path / "stack", 240, 320, 3)
    with running(stack, "--method", "laplacian", "--align", "none") as studio:
        while studio.state()["state"] != "ready":
            pass
        wanted = [{"options": {"method": "laplacian", "align": "none", "compose": how}} for how in ("hard", "soft") * 3]
        tabs = [Thread(target=studio.ask, args=("POST", "/api/run", one)) for one in wanted]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()
        while (state := studio.state())["state"] in ("opening", "running"):
            pass
        assert state["state"] == "ready", state["error"]
        assert state["chosen"]["compose"] in ("hard", "soft")


@pytest.mark.slow
def test_wrong_options_leave_a_running_fusion_alone(tmp_path: Path, page_files: None) -> None:
    stack = write_scene(tmp_path / "stack", 500, 700, 4)
    with running(stack) as studio:
        while studio.state()["state"] == "opening":
            pass
        for wrong in (
            {"options": {"method": "laplacian"}, "reference": "img_9.png"},
            {"options": {}, "leave_out": ["img_0.png", "img_1.png", "img_2.png"]},
            {"options": {"method": "magic"}},
        ):
            status, answer = studio.ask("POST", "/api/run", wrong)
            assert status == 400
            assert "\n" not in json.loads(answer)["error"]
            assert studio.state()["state"] == "running"
        state = studio.state()
        assert (state["chosen"], state["leave_out"], state["error"]) == ({}, [], "")
