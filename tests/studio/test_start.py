"""The page without a stack: recent projects, folders, several stacks, dropped files, and what is wrong with them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from allfocus.io import write_image
from allfocus.jobs.project import load_project
from allfocus.studio.shelf import Shelf
from conftest import Cli
from studio_page import Studio, check_access, opened, running, scene, shoot, wait_ready, write_scene

pytest.importorskip("platformdirs", reason="the page needs the extra web")


@contextmanager
def at_home(root: Path) -> Iterator[Studio]:
    """A server without a stack, for files below a folder."""
    os.environ["XDG_STATE_HOME"] = str(root / "state")
    try:
        with running("--root", root) as started:
            yield started
    finally:
        del os.environ["XDG_STATE_HOME"]


def write_two_stacks(folder: Path) -> None:
    """Frames of two channels, told apart by their names."""
    folder.mkdir(parents=True)
    for k, frame in enumerate(scene(120, 160, 3)):
        write_image(folder / f"red_{k}.png", frame)
        write_image(folder / f"green_{k}.png", 255 - frame)


def write_cells(path: Path) -> None:
    """An OME-TIFF file of two channels, three planes each, of known sizes."""
    planes = np.stack([np.stack([frame[..., c] for frame in scene(120, 160, 3)]) for c in (0, 1)])
    metadata = {
        "axes": "CZYX",
        "Channel": {"Name": ["DAPI", "GFP"]},
        "PhysicalSizeX": 0.5,
        "PhysicalSizeY": 0.5,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeZ": 2.0,
    }
    tifffile.imwrite(path, planes, ome=True, metadata=metadata)


def hover(page: Any, x: int, y: int) -> str:
    """What the page says of the pixel under the mouse; depth is said where it is known."""
    page.mouse.move(x, y)
    page.wait_for_timeout(200)
    return str(page.locator("#here").inner_text())


@pytest.mark.slow
def test_from_folders_drops_and_recent_projects_to_a_picture(tmp_path: Path, browser: Any, cli: Cli) -> None:
    root = tmp_path / "home"
    beetle = write_scene(root / "beetle", 200, 300, 3)
    write_two_stacks(root / "two")
    write_cells(root / "cells.ome.tif")
    (root / "wrong.png").write_bytes(b"no picture")
    with at_home(root) as studio, opened(browser, studio.address) as page:
        start = page.get_by_role("dialog", name="Open a focal stack")
        start.get_by_role("button", name=str(root)).click()
        check_access(page)
        shoot(page, "start")
        start.get_by_role("button", name="two/").click()
        page.locator("#folder-open:focus").wait_for()  # so that keys can go on from here
        page.keyboard.press("Enter")
        start.get_by_role("button", name="red_*.png").click()
        wait_ready(page)
        assert studio.state()["title"] == "red"
        name = page.locator("#path").input_value()
        page.keyboard.press("Control+o")
        start.get_by_role("button", name="Up").click()
        start.get_by_role("button", name="wrong.png").click()
        start.get_by_role("alert").wait_for()
        assert "wrong.png" in start.get_by_role("alert").inner_text()
        start.get_by_role("button", name="cells.ome.tif").click()
        start.get_by_role("button", name="GFP").click()
        start.wait_for(state="hidden")
        wait_ready(page)
        assert studio.state()["title"] == "cells GFP"
        assert page.locator("#path").input_value() != name  # saved over the other stack's picture otherwise
        assert studio.state()["z_step"] == 2.0
        assert any("µm" in hover(page, x, y) for y in (300, 400, 500) for x in range(200, 900, 50))
        assert studio.ask("POST", "/api/save", {"path": "page.tif"})[0] == 200
        assert studio.ask("POST", "/api/project", {})[0] == 200
        page.keyboard.press("Control+o")
        page.locator("#files").set_input_files([*sorted(beetle.iterdir())])
        start.wait_for(state="hidden")
        wait_ready(page)
        assert studio.state()["title"] == "dropped"
        page.keyboard.press("Control+o")
        start.get_by_role("region", name="Recent projects").get_by_role("button", name="cells GFP").click()
        start.wait_for(state="hidden")
        wait_ready(page)
    project = root / "cells GFP.allfocus.json"
    assert load_project(project).plane == (0, 0, 1)
    done = cli("fuse", "--project", project, "-o", root / "again.tif")
    assert done.code == 0, done.err
    assert (root / "again.tif").read_bytes() == (root / "page.tif").read_bytes()


def put(studio: Studio, path: str, body: bytes) -> int:
    return studio.ask("PUT", path, body)[0]


@pytest.mark.slow
def test_nothing_outside_of_the_roots_is_listed_opened_or_dropped(tmp_path: Path, page_files: None) -> None:
    root = tmp_path / "home"
    write_scene(tmp_path / "secret", 60, 80, 3)
    write_scene(root / "stack", 60, 80, 3)
    (root / "way").symlink_to(tmp_path / "secret")
    with at_home(root) as studio:
        for place in ("/", "/etc", str(tmp_path), f"{root}/../secret", f"{root}/way", "way", "\0", "~"):
            status, answer = studio.ask("GET", f"/api/folders?folder={place.replace(chr(0), '%00')}")
            assert status == 400, place
            assert "error" in json.loads(answer)
            status, answer = studio.ask("POST", "/api/open", {"path": place})
            assert status == 400, place
        assert studio.ask("POST", "/api/open", {"path": [str(root / "stack"), str(tmp_path / "secret")]})[0] == 400
        for name in ("..", "%2e%2e", "a%2fb", "..%2f..%2fx", ".hidden", "a%5cb", "%00", "x" * 300, "a%0ab"):
            assert put(studio, f"/dropped/b/f/{name}", b"x") in (400, 404), name
            assert put(studio, f"/dropped/b/{name}/x", b"x") in (400, 404), name
            assert put(studio, f"/dropped/{name}/f/x", b"x") in (400, 404), name
        assert put(studio, "/dropped/b/f/x.png", b"x") == 200
        assert put(studio, "/dropped/b/f/x.png", b"y") == 400
        assert studio.ask("GET", "/saved/x.png")[0] == 404
        assert studio.ask("GET", "/saved/..%2f..%2fetc%2fpasswd")[0] == 404
        half = HTTPConnection("127.0.0.1", studio.port, timeout=10)
        half.putrequest("PUT", "/dropped/b/f/half.png")
        for name, value in (("Cookie", studio.cookie), ("Content-Length", "100000000000"), ("Host", "127.0.0.1")):
            half.putheader(name, value)
        half.endheaders()
        half.send(b"x" * 1000)
        half.close()
        assert studio.state()["state"] == "empty"


def test_recent_projects_that_are_gone_or_elsewhere_are_not_shown(tmp_path: Path) -> None:
    root, state = tmp_path / "home", tmp_path / "state/recent.json"
    root.mkdir()
    shelf = Shelf([root], state)
    assert shelf.recent() == []
    for name in ("a", "b", "c"):
        (root / f"{name}.allfocus.json").write_text("{}")
        shelf.remember(root / f"{name}.allfocus.json")
    shelf.remember(root / "a.allfocus.json")
    (root / "c.allfocus.json").unlink()
    assert [one["name"] for one in shelf.recent()] == ["a", "b"]
    assert Shelf([tmp_path / "other"], state).recent() == []
    state.write_text("[1, null")
    assert shelf.recent() == []
    blocked = Shelf([root], root / "a.allfocus.json" / "recent.json")
    blocked.remember(root / "b.allfocus.json")
    assert blocked.recent() == []
