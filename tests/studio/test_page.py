"""The page in a browser, used as a person does."""

import contextlib
import io
import json
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from allfocus.core.color import Array
from allfocus.io import read_image
from conftest import Cli
from studio_page import WATCH_STROKES, Studio, check_access, opened, running, shoot, wait_ready, write_scene

pytestmark = pytest.mark.slow

#: A browser that knows pictures and no three dimensions.
NO_WEBGL = """
() => {
  const known = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    return kind.startsWith("webgl") ? null : known.call(this, kind, ...more);
  };
}
"""

#: Whether the end of a frame's name, by which it differs from the others, lies within its place in the strip.
SHOWS_END = """pick => {
  const tail = pick.querySelector('.tail').getBoundingClientRect();
  const whole = pick.getBoundingClientRect();
  return tail.width > 0 && tail.left >= whole.left && tail.right <= whole.right;
}"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("page") / "beetle", 420, 660, 4, "uint16", ".tif")


@pytest.fixture(scope="module")
def studio(stack: Path, browser: Any) -> Iterator[Studio]:
    """A server for most tests here, in turn: each leaves it without strokes."""
    with running(stack) as started:
        yield started


@pytest.fixture(scope="module")
def window(studio: Studio, browser: Any) -> Iterator[Any]:
    """Its page, opened once: that takes longer than most of what is done there."""
    with opened(browser, studio.address) as page:
        yield page


@pytest.fixture
def page(window: Any, studio: Studio) -> Iterator[Any]:
    """That page as it is at first."""
    window.set_viewport_size({"width": 1280, "height": 800})
    window.goto(studio.address)
    wait_ready(window)
    yield window
    window.goto("about:blank")  # a page in sight is drawn again and again


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
    page.get_by_label("Layers", exact=True).select_option("")
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
    wait_for(page, f"studio.state.strokes.length === {count}")


def wait_for(page: Any, what: str) -> None:
    """Wait until something is true on the page."""
    for _ in range(300):
        if page.evaluate(what):
            return
        page.wait_for_timeout(100)
    raise AssertionError(what)


def test_the_picture_at_full_size_is_the_one_that_is_saved(page: Any, studio: Studio, stack: Path) -> None:
    shoot(page, "result")
    check_access(page)
    saved = save(page, stack.parent / "out.tif")
    window = studio.state()["layers"]["result"]["window"]
    shown = pixels_at(page, 200, 150, 300, 200)
    part = saved[150 - window[1] : 350 - window[1], 200 - window[0] : 500 - window[0]]
    assert np.array_equal(shown, np.rint(part / 257).astype(np.uint8))
    page.mouse.move(400, 400)
    page.locator("#here", has_text="img_").wait_for()
    assert "% sure" in page.locator("#here").inner_text()
    assert "depth" in page.locator("#here").inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download out.tif").click()
    assert Path(download.value.path()).read_bytes() == (stack.parent / "out.tif").read_bytes()


def test_painting_undoing_and_saving_what_the_command_line_makes_too(
    page: Any, studio: Studio, stack: Path, cli: Cli
) -> None:
    before = save(page, stack.parent / "before.tif")
    show_tab(page, "Retouch")
    page.get_by_label("Take pixels from").select_option("frame:img_0.tif")
    page.get_by_role("button", name="Paint", exact=True).click()
    at = pixels_at(page, 400, 200, 200, 200)
    page.evaluate(WATCH_STROKES)
    drag(page, [(450, 280), (550, 300)])
    count_strokes(page, 1)
    wait_for(page, "seen.length === 1 && seen[0].shown")
    assert page.evaluate("seen[0].drawn") < 1000  # about 15 on a machine that does nothing else
    assert not np.array_equal(pixels_at(page, 400, 200, 200, 200), at)
    shoot(page, "painted")
    page.get_by_label("Take pixels from").select_option("nearer")
    page.mouse.move(402, 202)
    made = "[...studio.retouch.preview.tiles].filter(([address]) => address.startsWith('/sources/nearer/'))"
    wait_for(page, f"{made}.length && {made}.every(([, bitmap]) => bitmap)")
    drag(page, [(400, 200), (440, 380), (480, 390)])
    count_strokes(page, 2)
    wait_for(page, "seen.length === 2 && seen[1].shown")
    assert page.evaluate("seen[1].drawn") < 1000
    painted = save(page, stack.parent / "page.tif")
    assert not np.array_equal(painted, before)
    page.get_by_role("button", name="Save project").click()
    page.locator("#saved", has_text="Project saved").wait_for()
    page.keyboard.press("Control+z")
    count_strokes(page, 1)
    page.reload()
    wait_ready(page)
    count_strokes(page, 1)
    page.keyboard.press("Control+z")
    count_strokes(page, 0)
    assert np.array_equal(save(page, stack.parent / "after.tif"), before)
    assert np.array_equal(pixels_at(page, 400, 200, 200, 200), at)
    project = stack.with_name("beetle.allfocus.json")
    studio.ask("POST", "/api/strokes", {"action": "redo", "count": 2})
    studio.ask("POST", "/api/project", {})
    done = cli("fuse", "--project", project, "-o", stack.parent / "again.tif", "-q")
    assert done.code == 0, done.err
    assert (stack.parent / "again.tif").read_bytes() == (stack.parent / "page.tif").read_bytes()
    studio.ask("POST", "/api/strokes", {"action": "undo", "count": 2})


def test_moving_and_painting_by_keys(page: Any, studio: Studio) -> None:
    scale, corner = "studio.view.scale", "studio.view.toFrame(0, 0)"
    first = page.evaluate(scale)
    page.get_by_role("button", name="Fit").click()
    page.wait_for_timeout(600)
    assert abs(page.evaluate(scale) - first) < 0.01  # it fitted from the start, with the strip of frames below
    page.locator("#view").click()
    page.keyboard.press("f")
    page.keyboard.press("Shift+R")
    assert page.evaluate("studio.view.viewer.viewport.getFlip()") is False
    assert page.evaluate("studio.view.viewer.viewport.getRotation()") == 0
    page.mouse.move(5, 5)
    page.locator("#view").focus()
    page.keyboard.press("1")
    wait_for(page, f"Math.abs({scale} - 1) < 0.003")
    page.keyboard.press("+")
    wait_for(page, f"{scale} > 1.2")
    before = page.evaluate(corner)
    page.keyboard.press("ArrowLeft")
    wait_for(page, f"{corner}[0] < {before[0]} - 20")
    page.locator("#here", has_text="% sure").wait_for()  # of the middle
    page.keyboard.press("b")
    page.keyboard.press("Enter")
    count_strokes(page, 1)
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(600)
    page.keyboard.press("Shift+Enter")
    count_strokes(page, 2)
    middle = page.evaluate("studio.retouch.middle")
    at = studio.state()["strokes"][1]["at"]
    assert abs(at[0] - middle[0]) < 1
    assert abs(at[1] - middle[1]) < 1
    page.keyboard.press("b")
    for left in (1, 0):
        page.keyboard.press("Control+z")
        count_strokes(page, left)


def test_all_strokes_are_listed_when_asked_for(page: Any, studio: Studio) -> None:
    show_tab(page, "Retouch")
    rows = "[...Array(205).keys()].map((k) => ({ source: 'nearer', radius: 9, at: [k, 5], visible: true, gain: 1 }))"
    page.evaluate(f"studio.retouch.take({{ strokes: {rows}, can_redo: 0 }})")
    assert page.locator("#strokes li").count() == 200
    page.get_by_role("button", name="List all 205").click()
    assert page.locator("#strokes li").count() == 205


def test_places_in_doubt_frames_and_results_by_keys(page: Any, studio: Studio, browser: Any) -> None:
    with opened(browser, studio.address) as other:
        page.locator("#doubt-next:not(:disabled)").wait_for()
        page.locator("#view").focus()
        page.keyboard.press("n")
        page.locator("#doubt-state", has_text="Place 1 of").wait_for()
        page.locator("#rivals button").first.wait_for()
        shoot(page, "doubt")
        page.locator("#rivals button").last.click()
        count_strokes(page, 1)
        count_strokes(other, 1)  # another tab sees it too
        other.keyboard.press("Control+z")
        count_strokes(page, 0)
        page.locator("#view").focus()
        page.keyboard.press(".")
        assert page.locator("#base").input_value().startswith("frame/")
        page.keyboard.press("r")
        assert page.locator("#base").input_value() == "result"
        page.get_by_role("button", name="Keep", exact=True).click()
        page.get_by_role("button", name="Result 1", exact=True).click()
        assert page.locator("#over").input_value() == "kept/Result 1"
        show_tab(page, "Options")
        page.get_by_label("compose").select_option("hard")
        page.get_by_role("button", name="Fuse again").click()
        wait_for(page, "studio.state.chosen?.compose === 'hard'")
        wait_ready(page)
        assert "kept/Result 1" in studio.state()["layers"]
        show_tab(page, "Retouch")
        page.get_by_label("Take pixels from").select_option("Result 1")
        show_tab(page, "Options")
        page.get_by_label("compose").select_option("band")
        page.get_by_role("button", name="Fuse again").click()
        wait_for(page, "studio.state.chosen?.compose === undefined")
        wait_ready(page)
        page.locator("#view").focus()
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()


def test_the_height_map_is_turned_measured_and_saved(page: Any, stack: Path) -> None:
    page.set_viewport_size({"width": 900, "height": 600})  # without a graphics card it takes its time
    page.locator("#view").focus()
    page.keyboard.press("h")
    page.locator("#height-said", has_text="high").wait_for()
    shoot(page, "height")
    check_access(page)
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.locator("#height-said", has_text="Distance").wait_for()
    page.get_by_role("button", name="STL").click()
    page.get_by_role("link", name="Download beetle_surface.stl").wait_for()
    assert (stack.parent / "beetle_surface.stl").stat().st_size > 10_000
    page.reload()
    wait_ready(page)
    page.evaluate(NO_WEBGL)
    page.get_by_role("button", name="Height map").click()
    page.locator("#height-said", has_text="no WebGL").wait_for()


def test_until_the_result_is_there_the_reference_is_seen(page: Any, studio: Studio) -> None:
    begin = "const { layers: { result, draft, ...others } } = studio.state; Object.assign(studio.state, {"
    page.evaluate(f"() => {{ {begin} state: 'running', layers: others }}); studio.look.draw(); }}")
    [reference] = [frame["position"] for frame in studio.state()["frames"] if frame["is_reference"]]
    assert page.evaluate("studio.view.wanted.map((one) => one.name)") == [f"frame/{reference}"]


def test_nothing_is_compared_with_itself(page: Any) -> None:
    offered = "[...document.querySelectorAll('#over option')].map((one) => one.value)"
    assert "result" not in page.evaluate(offered)
    page.locator("#over").select_option("frame/1")
    page.locator("#base").select_option("frame/1")
    assert page.locator("#over").input_value() == ""
    assert "result" in page.evaluate(offered)
    assert "frame/1" not in page.evaluate(offered)


def test_maps_wipe_and_leaving_a_frame_out(page: Any, studio: Studio) -> None:
    page.get_by_label("Compare with").select_option("index_map")
    page.get_by_role("radio", name="Wipe").check()
    page.wait_for_timeout(500)
    shoot(page, "wipe")
    handle = page.locator("#wipe-handle")
    handle.focus()
    page.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "52"
    assert "sharpness" in (page.locator("#strip .pick").first.get_attribute("title") or "")
    page.get_by_label("img_3.tif: more").click()
    page.get_by_role("menuitem", name="Leave out").click()
    page.locator("#strip li.out").wait_for()
    wait_ready(page)
    assert studio.state()["leave_out"] == ["img_3.tif"]
    assert len(studio.state()["frames"]) == 3
    page.evaluate("studio.strip.chosen = 3")  # the frame that was shown last is gone
    page.evaluate("studio.draw()")
    page.locator("#view").focus()
    page.keyboard.press(".")
    assert page.locator("#base").input_value() == "frame/2"


def test_killed_in_the_middle_nothing_is_lost(tmp_path: Path, browser: Any) -> None:
    stack = write_scene(tmp_path / "beetle", 420, 660, 3)
    with running(stack, "--method", "laplacian") as studio:
        while studio.state()["state"] != "ready":
            time.sleep(0.1)
        stroke = {"frame": "img_1.png", "points": [[300, 300]], "radius": 60}
        assert studio.ask("POST", "/api/strokes", {"action": "add", "stroke": stroke})[0] == 200
        project = tmp_path / "beetle.allfocus.json"
        while not project.exists():
            time.sleep(0.05)
        assert studio.ask("POST", "/api/save", {"path": "out.png"})[0] == 200
        before = (tmp_path / "out.png").read_bytes()
        studio.ask("POST", "/api/run", {"options": {"method": "laplacian", "compose": "hard"}})
        Thread(target=suppressed, args=(studio, {"path": "out.png"}), daemon=True).start()
        time.sleep(0.1)
        studio.process.kill()
    assert json.loads(project.read_text())["strokes"]
    assert (tmp_path / "out.png").read_bytes()[-8:] == before[-8:]
    Image.open(tmp_path / "out.png").load()
    with running(stack) as studio, opened(browser, studio.address) as page:
        wait_ready(page)
        count_strokes(page, 1)
        assert studio.state()["chosen"]["method"] == "laplacian"
        for name in studio.state()["frames"]:
            (stack / name["name"]).unlink()
        show_tab(page, "Options")
        page.get_by_label("exposure").select_option("keep")
        page.get_by_role("button", name="Fuse again").click()
        page.locator("#failure:not([hidden])").wait_for()
        shoot(page, "error")
        studio.process.kill()
        page.locator("#failure", has_text="does not answer").wait_for()


def suppressed(studio: Studio, values: dict[str, str]) -> None:
    """Ask for a save that nobody may live to answer."""
    with contextlib.suppress(OSError, HTTPException):
        studio.ask("POST", "/api/save", values)


def test_cancel_ends_at_once_and_another_run_may_begin(tmp_path: Path, browser: Any) -> None:
    stack = write_scene(tmp_path / "large", 1000, 1500, 5)
    with running(stack) as studio, opened(browser, studio.address) as page:
        page.get_by_role("button", name="Cancel").click()
        began = time.monotonic()
        page.locator("#stage", has_text="Cancelled").wait_for()
        assert time.monotonic() - began < 5  # one second on a machine that does nothing else
        page.reload()
        page.locator("#stage", has_text="Cancelled").wait_for()
        show_tab(page, "Options")
        page.get_by_label("method").select_option("laplacian")
        page.get_by_label("align", exact=True).select_option("none")
        page.get_by_role("button", name="Fuse again").click()
        wait_ready(page)
        assert studio.state()["chosen"] == {"method": "laplacian", "align": "none"}


def test_it_fits_every_screen(tmp_path: Path, browser: Any) -> None:
    name = "a very long name of a stack of frames of a beetle on a leaf <b>by the river"
    stack = write_scene(tmp_path / name, 90, 120, 6)
    for k in range(50):
        source = stack / f"img_{k % 6}.png"
        (stack / f"IMG_{k:04d} <img src=x onerror=alert(1)> a name that goes on and on {k:04d}.png").write_bytes(
            source.read_bytes()
        )
    for k in range(6):
        (stack / f"img_{k}.png").unlink()
    typed = (stack, "--method", "laplacian", "--align", "none")
    with running(*typed) as studio, opened(browser, studio.address) as page:
        # half the width is what text at 200 % leaves
        for scheme, width in (("light", 1280), ("dark", 768), ("light", 640), ("dark", 390)):
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            page.reload()
            wait_ready(page)
            look_at_all(page, f"{width}_{scheme}")
            if width in (1280, 390):  # both colour schemes, the widest and the narrowest
                check_access(page)
            assert page.locator("#title").inner_text() == name
            assert page.locator("#strip .pick").first.evaluate(SHOWS_END)


def look_at_all(page: Any, name: str) -> None:
    """Every tab fits."""
    for tab in ("Look", "Retouch", "Options", "Save"):
        show_tab(page, tab)
        shoot(page, f"{tab.lower()}_{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        panel = page.locator("#panel")
        assert panel.evaluate("panel => panel.scrollWidth <= panel.clientWidth + 1")
