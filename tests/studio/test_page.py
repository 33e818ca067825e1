"""The page in a browser, used as a person does."""

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import Array
from allfocus.io import read_image
from conftest import Cli
from studio_page import Studio, opened, running, shoot, wait_ready, write_scene

pytestmark = pytest.mark.slow


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "beetle", 760, 1300, 4, "uint16", ".tif")


@pytest.fixture
def studio(stack: Path, browser: Any) -> Iterator[Studio]:
    with running(stack) as started:
        yield started


def pixels_at(page: Any, left: int, top: int, width: int, height: int) -> Array:
    """What the viewer shows at 1:1 of a part of the full frame."""
    page.evaluate(f"studio.view.goTo([{left}, {top}, {left + width}, {top + height}], 1)")
    wait_drawn(page)
    x, y = page.evaluate(f"studio.view.toScreen({left}, {top})")
    box = page.locator("#view").bounding_box()
    clip = {"x": box["x"] + round(x), "y": box["y"] + round(y), "width": width, "height": height}
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB"))


def wait_drawn(page: Any) -> None:
    """Wait until all tiles in sight are there."""
    for _ in range(300):
        page.wait_for_timeout(200)
        if page.evaluate("[...studio.view.shown.values()].every(({image}) => image.getFullyLoaded())"):
            break
    page.wait_for_timeout(300)


def show_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def save(page: Any, path: Path) -> Array:
    """Save as a person does."""
    show_tab(page, "Save")
    page.get_by_label("File", exact=True).fill(path.name)
    page.get_by_role("button", name="Save picture").click()
    page.locator("#saved", has_text="Saved").wait_for()
    return read_image(path)


def drag(page: Any, points: list[tuple[float, float]]) -> None:
    """A stroke over these places of the picture."""
    box = page.locator("#view").bounding_box()
    for k, (x, y) in enumerate(points):
        left, top = page.evaluate(f"studio.view.toScreen({x}, {y})")
        page.mouse.move(box["x"] + left, box["y"] + top, steps=4)
        if k == 0:
            page.mouse.down()
    page.mouse.up()


def count_strokes(page: Any, count: int) -> None:
    """Wait until the page knows of so many strokes."""
    for _ in range(300):
        if page.evaluate("studio.state.strokes.length") == count:
            break
        page.wait_for_timeout(100)
    assert page.evaluate("studio.state.strokes.length") == count


def test_the_picture_at_full_size_is_the_one_that_is_saved(studio: Studio, stack: Path, browser: Any) -> None:
    with opened(browser, studio.address) as page:
        wait_ready(page)
        shoot(page, "result")
        saved = save(page, stack.parent / "out.tif")
        window = studio.state()["layers"]["result"]["window"]
        shown = pixels_at(page, 500, 300, 300, 200)
        part = saved[300 - window[1] : 500 - window[1], 500 - window[0] : 800 - window[0]]
        assert np.array_equal(shown, np.rint(part / 257).astype(np.uint8))
        page.mouse.move(400, 400)
        page.locator("#here", has_text="img_").wait_for()
        assert "% sure" in page.locator("#here").inner_text()


def test_painting_undoing_and_saving_what_the_command_line_makes_too(
    studio: Studio, stack: Path, browser: Any, cli: Cli
) -> None:
    with opened(browser, studio.address) as page:
        wait_ready(page)
        before = save(page, stack.parent / "before.tif")
        show_tab(page, "Retouch")
        page.get_by_label("Take pixels from").select_option("frame:img_0.tif")
        page.get_by_role("button", name="Paint", exact=True).click()
        at = pixels_at(page, 900, 300, 200, 200)
        drag(page, [(950, 380), (1050, 400)])
        count_strokes(page, 1)
        assert not np.array_equal(pixels_at(page, 900, 300, 200, 200), at)
        shoot(page, "painted")
        page.get_by_label("Take pixels from").select_option("nearer")
        drag(page, [(600, 200), (640, 380), (700, 400)])
        count_strokes(page, 2)
        painted = save(page, stack.parent / "page.tif")
        assert not np.array_equal(painted, before)
        page.get_by_role("button", name="Save project").click()
        page.locator("#saved", has_text="Project saved").wait_for()
        page.keyboard.press("Control+z")
        count_strokes(page, 1)
        page.keyboard.press("Control+Shift+z")
        count_strokes(page, 2)
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        count_strokes(page, 0)
        assert np.array_equal(pixels_at(page, 900, 300, 200, 200), at)
        assert np.array_equal(save(page, stack.parent / "after.tif"), before)
        show_tab(page, "Retouch")
        page.get_by_role("button", name="Redo").click()
        count_strokes(page, 1)
        page.get_by_role("button", name="Redo").click()
        count_strokes(page, 2)
        page.reload()
        wait_ready(page)
        count_strokes(page, 2)
    project = stack.with_name("beetle.allfocus.json")
    done = cli("fuse", "--project", project, "-o", stack.parent / "again.tif", "-q")
    assert done.code == 0, done.err
    assert (stack.parent / "again.tif").read_bytes() == (stack.parent / "page.tif").read_bytes()


def test_what_was_painted_survives_the_server(stack: Path, browser: Any) -> None:
    with running(stack, "--method", "laplacian") as started:
        studio = started
        while studio.state()["state"] != "ready":
            time.sleep(0.2)
        stroke = {"frame": "img_1.tif", "points": [[300, 300]], "radius": 60}
        assert studio.ask("POST", "/api/strokes", {"action": "add", "stroke": stroke})[0] == 200
        time.sleep(1.5)
        studio.process.kill()
    with running(stack) as started, opened(browser, started.address) as page:
        wait_ready(page)
        count_strokes(page, 1)
        assert started.state()["chosen"] == {"method": "laplacian"}


def test_cancel_ends_at_once_and_another_run_may_begin(tmp_path: Path, browser: Any) -> None:
    stack = write_scene(tmp_path / "large", 1600, 2400, 5)
    with running(stack) as studio, opened(browser, studio.address) as page:
        page.get_by_role("button", name="Cancel").click()
        began = time.monotonic()
        page.locator("#stage", has_text="Cancelled").wait_for()
        assert time.monotonic() - began < 5  # one second on a machine that does nothing else
        shoot(page, "cancelled")
        show_tab(page, "Options")
        page.get_by_label("method").select_option("laplacian")
        page.get_by_role("button", name="Fuse again").click()
        wait_ready(page)
        assert studio.state()["chosen"] == {"method": "laplacian"}


def test_places_in_doubt_and_frames_are_stepped_through_by_keys(studio: Studio, browser: Any) -> None:
    with opened(browser, studio.address) as page:
        wait_ready(page)
        page.locator("#doubt-next:not(:disabled)").wait_for()
        page.locator("#view").focus()
        page.keyboard.press("n")
        page.locator("#doubt-state", has_text="Place 1 of").wait_for()
        page.locator("#rivals button").first.wait_for()
        page.wait_for_timeout(800)
        shoot(page, "doubt")
        page.locator("#rivals button").last.click()
        count_strokes(page, 1)
        page.keyboard.press(".")
        assert page.locator("#base").input_value().startswith("frame/")
        page.keyboard.press("r")
        assert page.locator("#base").input_value() == "result"
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()


def test_maps_wipe_and_leaving_a_frame_out(studio: Studio, browser: Any) -> None:
    with opened(browser, studio.address) as page:
        wait_ready(page)
        page.get_by_label("Compare with").select_option("index_map")
        page.get_by_role("radio", name="Wipe").check()
        page.wait_for_timeout(1000)
        shoot(page, "wipe")
        handle = page.locator("#wipe-handle")
        handle.focus()
        page.keyboard.press("ArrowRight")
        assert handle.get_attribute("aria-valuenow") == "52"
        page.get_by_label("img_3.tif: more").click()
        page.get_by_role("menuitem", name="Leave out").click()
        page.locator("#strip li.out").wait_for()
        wait_ready(page)
        assert studio.state()["leave_out"] == ["img_3.tif"]
        assert len(studio.state()["frames"]) == 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 390])
def test_it_fits_every_screen(tmp_path: Path, browser: Any, scheme: Any, width: int) -> None:
    name = "a very long name of a stack of frames of a beetle on a leaf <b>by the river"
    stack = write_scene(tmp_path / name, 300, 450, 24)
    for k, path in enumerate(sorted(stack.iterdir())):
        path.rename(stack / f"IMG_{k:04d} <img src=x onerror=alert(1)> a name that goes on and on and on.png")
    with (
        running(stack, "--method", "laplacian") as studio,
        opened(browser, studio.address, width, 800, color_scheme=scheme) as page,
    ):
        wait_ready(page)
        page.wait_for_timeout(500)
        for tab in ("Look", "Retouch", "Options", "Save"):
            show_tab(page, tab)
            shoot(page, f"{tab.lower()}_{width}_{scheme}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            panel = page.locator("#panel")
            assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth + 1")
        assert page.locator("#title").inner_text() == name


def test_what_is_wrong_is_said(stack: Path, browser: Any, cli: Cli) -> None:
    (stack / "img_9.tif").write_bytes(b"no picture")
    done = cli("studio", stack, "--no-browser")
    assert done.code == 1
    assert "img_9.tif" in done.err
    (stack / "img_9.tif").unlink()
    with running(stack, "--method", "laplacian") as studio, opened(browser, studio.address) as page:
        wait_ready(page)
        show_tab(page, "Save")
        page.get_by_label("File", exact=True).fill("../elsewhere/out.tif")
        page.get_by_role("button", name="Save picture").click()
        page.locator("#failure", has_text="choose a name in it").wait_for()
        shoot(page, "error")
        for row in json.loads(studio.ask("GET", "/api/state")[1])["frames"][:2]:
            (stack / row["name"]).unlink()
