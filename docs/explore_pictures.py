"""Make the pictures of the explorer's pages: python docs/explore_pictures.py NAIP_FOLDER.

The scene is m_4709963 of the National Agriculture Imagery Program (USDA, public domain): wetlands in North Dakota in 2010, 2016
and 2020, 320 x 280 pixels of 5 m. The labels below were placed by eye on the picture of 2020. Needs a Chromium on the path and
the packages of the extra `dev`.
"""

from __future__ import annotations

import io
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "web"))
import hands

LABELS = {
    "Water": [(50, 72), (32, 77), (69, 63), (105, 187), (225, 201), (206, 63), (202, 31), (69, 132), (298, 242),
              (27, 224), (248, 178), (305, 40)],
    "Cropland": [(96, 63), (133, 77), (156, 40), (105, 86), (151, 88), (41, 26), (87, 44)],
    "Grassland": [(96, 123), (133, 118), (69, 168), (32, 178), (87, 242), (133, 233), (14, 123), (248, 86), (271, 63),
                  (289, 100), (298, 146)],
    "Bare shore": [(239, 117), (179, 205), (174, 251), (110, 219), (271, 219), (225, 251), (124, 157), (193, 224)],
}  # fmt: skip
"""Class: places (column, row)."""
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def main(naip: Path, out: Path) -> None:
    """Walk through the five minutes and write explore-NAME.webp at each step."""
    from playwright.sync_api import sync_playwright

    scenes = sorted(naip.glob("m_4709963*.tif"))
    if not scenes:
        raise SystemExit(f"m_4709963 lies in the folder given; got {naip}; name the folder naip of the small real data")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        server, url = start(scenes, Path(home))
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        try:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
            page.goto(url)
            walk(page, out)
        finally:
            browser.close()
            server.send_signal(signal.SIGINT)
            server.wait(20)


def start(scenes: list[Path], home: Path) -> tuple[subprocess.Popen[str], str]:
    """`swath explore` on the scenes; its address."""
    command = [
        sys.executable,
        "-m",
        "swath",
        "explore",
        *map(str, scenes),
        "--no-browser",
        "--port",
        "0",
        "--out",
        str(home),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    for line in server.stdout:
        if found := re.search(r"http://\S+", line):
            return server, found.group(0)
    raise SystemExit("swath explore gave no address")


def walk(page: Any, out: Path) -> None:
    """The steps of the tutorial."""
    hands.ready(page)
    hands.click(page, 133, 118)
    page.get_by_role("heading", name="Spectrum").wait_for()
    keep(page, out, "look")
    page.get_by_role("button", name="Close the spectrum").click()
    page.get_by_role("button", name="Whole scene").first.click()
    page.wait_for_timeout(500)
    hands.label_all(page, LABELS)
    keep(page, out, "label")
    page.keyboard.press("Control+Enter")
    page.locator("#right .big").wait_for(timeout=180_000)
    page.wait_for_timeout(3000)
    keep(page, out, "map")
    page.evaluate("() => document.querySelector('#theme').click()")
    keep(page, out, "dark")
    page.evaluate("() => document.querySelector('#theme').click()")
    ask(page, "how much water is here?")
    keep(page, out, "ask")
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Find").click()
    hands.click(page, 239, 117)
    page.locator("#right .gallery").wait_for(timeout=120_000)
    page.wait_for_timeout(1500)
    keep(page, out, "find")
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("slider", name="Swipe").wait_for()
    keep(page, out, "compare")


def ask(page: Any, question: str) -> None:
    """Ask, and wait for the answer."""
    page.locator("#ask-field").fill(question)
    page.locator("#ask-field").press("Enter")
    page.locator("#right").get_by_text("How this was got").wait_for(timeout=60_000)


def keep(page: Any, out: Path, name: str) -> None:
    """Write what is seen now, once its tiles are drawn."""
    hands.until(page, "() => window.swath.view.map.areTilesLoaded()", seconds=60)
    page.wait_for_timeout(700)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(out / f"explore-{name}.webp", quality=82, method=6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "images")
