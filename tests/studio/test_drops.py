"""Files and folders that are dropped on the page, and what stays of one stack when another is opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from allfocus.io import write_image
from studio_page import Studio, opened, running, scene, wait_ready, write_scene

pytestmark = pytest.mark.slow
pytest.importorskip("uvicorn", reason="the page needs the extra web")

FAST = ("--method", "laplacian", "--align", "none")


@pytest.fixture
def studio(tmp_path: Path, browser: Any) -> Iterator[Studio]:
    stack = write_scene(tmp_path / "first", 120, 160, 4)
    with running(stack, *FAST, "--root", tmp_path) as started:
        yield started


@pytest.fixture
def page(studio: Studio, browser: Any) -> Iterator[Any]:
    with opened(browser, studio.address) as page:
        wait_ready(page)
        yield page


def drop(page: Any, *paths: Path) -> None:
    """Drop files and folders as a file manager does."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 300, "data": data})
    session.detach()


def test_all_that_is_dropped_is_opened_or_said_to_be_wrong(page: Any, studio: Studio, tmp_path: Path) -> None:
    one, two = (write_scene(tmp_path / name, 120, 160, 3) for name in ("one", "two"))
    write_scene(tmp_path / "card/inner", 120, 160, 2)
    (tmp_path / "hollow").mkdir()
    (tmp_path / "note.txt").write_text("no picture")
    start = page.get_by_role("dialog", name="Open a focal stack")
    wrong = start.get_by_role("alert")
    for path, said in (
        (tmp_path / "note.txt", "but note.txt; expected"),
        (tmp_path / "card", "card holds no pictures, but folders: inner; drop one of them"),
        (tmp_path / "hollow", "hollow is empty"),
    ):
        drop(page, path)
        wrong.get_by_text(said).wait_for()
        page.wait_for_timeout(300)  # the folders are listed by now
        assert said in wrong.inner_text()
        assert "allfocus-studio-" not in start.inner_text()  # a folder that nobody has heard of
        page.keyboard.press("Escape")
    assert studio.state()["title"] == "first"
    drop(page, one, two)
    start.get_by_role("button", name="two").wait_for()
    assert page.locator("#choices .hint").all_inner_texts() == ["3 frames", "3 frames"]
    assert page.locator("#choices button span:first-child").all_inner_texts() == ["one", "two"]
    start.get_by_role("button", name="one").click()
    page.locator("#title", has_text="one").wait_for()
    wait_ready(page)
    assert studio.state()["title"] == "one"
    write_image(tmp_path / "img_3.png", scene(120, 160, 4)[3])
    drop(page, two, tmp_path / "img_3.png")  # a folder, and a frame that belongs to it
    page.locator("#strip .pick").nth(3).wait_for()
    wait_ready(page)
    page.keyboard.press("Control+o")
    studio.process.kill()
    studio.process.wait()
    drop(page, one)
    wrong.get_by_text("does not answer").wait_for()


THUMBNAILS = "[...document.querySelectorAll('#strip img')].map((picture) => picture.src)"


def test_another_stack_is_shown_as_if_it_were_the_first(page: Any, studio: Studio, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Save").click()
    page.get_by_role("button", name="Save picture").click()
    page.locator("#downloads a").wait_for()
    page.locator("#strip .pick").nth(1).click()
    page.mouse.move(500, 300)
    page.locator("#here", has_text="sure").wait_for()
    page.mouse.move(5, 5)
    before = {address.partition("?")[2].partition("-")[0] for address in page.evaluate(THUMBNAILS)}
    names = [frame["name"] for frame in page.evaluate("studio.state.frames")]
    (tmp_path / "first2").mkdir()
    for name, frame in zip(names, scene(120, 160, len(names), seed=2), strict=True):
        write_image(tmp_path / "first2" / name, frame)
    drop(page, tmp_path / "first2")
    page.evaluate("window.read = []; setInterval(() => read.push(document.querySelector('#strip').innerText), 5)")
    page.locator("#title", has_text="first2").wait_for()
    wait_ready(page)
    assert not page.evaluate("read.some((text) => text.includes('undefined'))")
    for name, address in zip(names, page.evaluate(THUMBNAILS), strict=True):
        assert f"/{name}?" in address  # frames of the first stack have the same names
    assert len({address.partition("?")[2].partition("-")[0] for address in page.evaluate(THUMBNAILS)} - before) == 1
    assert page.locator("#base").input_value() == "result"
    assert page.locator("#here").inner_text() == ""
    assert page.locator("#downloads a").count() == 0
    assert page.locator("#saved").inner_text() == ""
