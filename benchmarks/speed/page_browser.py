"""The page in Chromium: how soon a stroke is seen, and the frames a second while somebody zooms and pans."""

import json
from collections.abc import Iterator
from statistics import median
from typing import Any

import numpy as np

from studio_page import CHROMIUM, WATCH_STROKES, Studio, wait_ready

#: Milliseconds of each full-size tile of the picture, up to 60 of them, decoded.
TILES = """async () => {
  const { size, version } = studio.state.layers.result;
  const places = [];
  for (let y = 0; y * 512 < size[1]; y += 1) for (let x = 0; x * 512 < size[0]; x += 1) places.push([x, y]);
  const times = [];
  for (const [x, y] of places.slice(0, 60)) {
    const started = performance.now();
    await createImageBitmap(await (await fetch(`/tiles/result/0/${x}/${y}?v=${version}`)).blob());
    times.push(performance.now() - started);
  }
  return times;
}"""
#: What Chromium writes down of each picture that it shows.
TRACED = "disabled-by-default-devtools.timeline.frame,devtools.timeline,cc,benchmark"


def look_and_paint(studio: Studio) -> Iterator[tuple[str, float, str]]:
    """Figures of the page in a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(studio.address)
        page.set_default_timeout(60_000)
        wait_ready(page)
        page.wait_for_timeout(3000)
        yield from time_tiles(page)
        yield from count_frames(page)
        yield from paint(page, studio.state()["frames"][0]["name"])
        browser.close()


def time_tiles(page: Any) -> Iterator[tuple[str, float, str]]:
    """Latencies of tiles in the browser, asked for the first time and again."""
    for name, wanted in (("fresh", "< 150"), ("cached", "< 60")):
        times = page.evaluate(TILES)
        yield f"tile, {name}, browser, p95, ms", float(np.quantile(times, 0.95)), wanted


def count_frames(page: Any) -> Iterator[tuple[str, float, str]]:
    """Frames a second while the page zooms and pans, by the browser's performance log."""
    session = page.context.new_cdp_session(page)
    events: list[dict[str, Any]] = []
    ended: list[bool] = []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda _: ended.append(True))
    session.send("Tracing.start", {"traceConfig": {"includedCategories": TRACED.split(",")}})
    page.mouse.move(500, 400)
    for k in range(60):
        page.mouse.wheel(0, -200 if k % 12 < 6 else 200)
        page.wait_for_timeout(40)
    page.mouse.down()
    for k in range(120):
        page.mouse.move(500 + 4 * (k % 60), 400 + 3 * (k % 60))
        page.wait_for_timeout(16)
    page.mouse.up()
    session.send("Tracing.end")
    while not ended:
        page.wait_for_timeout(50)
    shown = sorted(event["ts"] / 1000 for event in events if event["name"] == "DrawFrame")
    gaps = np.diff(shown)
    gaps = gaps[gaps < 500]  # nothing moved
    yield "frames a second while zooming and panning, mean", 1000 / float(gaps.mean()), "> 30"
    yield "time between two frames, p95, ms", float(np.quantile(gaps, 0.95)), ""


def paint(page: Any, frame: str) -> Iterator[tuple[str, float, str]]:
    """How soon strokes are seen."""
    page.get_by_role("tab", name="Retouch").click()
    page.get_by_role("button", name="Paint", exact=True).click()
    page.get_by_label("Take pixels from").select_option(f"frame:{frame}")
    page.evaluate("studio.view.goTo([800, 800, 1200, 1200], 1)")
    page.wait_for_timeout(3000)
    page.evaluate(WATCH_STROKES)
    box = page.locator("#view").bounding_box()
    for k in range(20):
        x, y = box["x"] + 200 + 25 * k, box["y"] + 150 + 20 * k
        page.mouse.move(x, y, steps=5)
        page.wait_for_timeout(300)
        page.mouse.down()
        page.mouse.move(x + 60, y + 20, steps=6)
        page.mouse.up()
        page.wait_for_timeout(1500)
    seen = json.loads(page.evaluate("JSON.stringify(seen)"))
    yield (
        "stroke until it is drawn, browser, median, ms",
        median(one["drawn"] for one in seen if "drawn" in one),
        "< 150",
    )
    yield "stroke until it is drawn, browser, longest, ms", max(one["drawn"] for one in seen if "drawn" in one), "< 150"
    yield "stroke until the picture holds it, browser, median, ms", median(one["shown"] for one in seen), ""
