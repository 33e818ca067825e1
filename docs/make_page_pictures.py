"""Draws the pictures of the page in README and docs, from the stack that ships with allfocus: needs Chromium.

python docs/make_page_pictures.py
"""

import io
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from studio_page import CHROMIUM, opened, running, wait_ready  # noqa: E402  (the tests' own door to a server)


def keep(page: Any, name: str, width: int) -> None:
    """Write what the page shows as a small picture."""
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = shot.resize((width, round(shot.height * width / shot.width)), Image.Resampling.LANCZOS)
    small.save(ROOT / f"docs/images/{name}.webp", quality=80, method=6)


def main() -> None:
    """Open the demo's stack, and look at it."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        stack = Path(made) / "demo"
        stack.mkdir()
        for path in sorted((ROOT / "src/allfocus/demo_stack").glob("frame*")):
            shutil.copy(path, stack)
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        with running(stack) as studio, opened(browser, studio.address, 1280, 760) as page:
            wait_ready(page)
            page.get_by_label("Compare with").select_option("index_map")
            page.get_by_role("radio", name="Wipe").check()
            page.mouse.move(250, 300)
            page.wait_for_timeout(2000)
            keep(page, "page", 960)
            page.locator("#view").focus()
            page.keyboard.press("h")
            page.locator("#height-said", has_text="high").wait_for()
            page.wait_for_timeout(1500)
            keep(page, "page_heights", 720)
        browser.close()


if __name__ == "__main__":
    main()
