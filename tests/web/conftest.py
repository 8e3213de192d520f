"""The real page in a real browser: Debian's Chromium through playwright, and `swath explore` as a person starts it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser")) if p), None)
ARGUMENTS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIDE = 240
HERE = Path(__file__).parent
sys.path.append(str(HERE))  # `import hands` in the tests; last, so that nothing else is hidden


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser that draws by software on a busy machine is late now and then: these tests may be run up to twice more."""
    for item in items:
        if Path(str(item.fspath)).parent == HERE:
            item.add_marker(pytest.mark.flaky(reruns=2))


@dataclass
class Explorer:
    """A running `swath explore`. url: the address with its one-time token; folder: the workspace."""

    process: subprocess.Popen[str]
    url: str
    folder: Path

    @property
    def base(self) -> str:
        """The address without the token."""
        return self.url.partition("?")[0]

    def stop(self) -> int:
        """End it as Ctrl-C does; gives the exit code."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; the test is skipped, and says so, where it is absent.

    For one module: as long as playwright lives, its event loop runs in this thread, and tests elsewhere need their own.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium: the page is not tested in a browser (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page is not tested")
    with api.sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield made
        made.close()


def _valley(day: str, path: Path, *, cleared: bool = False) -> Path:
    """A made scene of four Sentinel-2 bands in UTM: a river, a wood, fields of two kinds; 240 pixels a side, simulated."""
    from swath.cube import contract
    from swath.cube.save import save

    rng = np.random.default_rng(3 + cleared)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    kind = (x // 30 + y // 40) % 2 + 2  # wheat and bare soil
    kind[(y - 60) ** 2 + (x - 180) ** 2 < 48**2] = 1  # a wood
    if cleared:
        kind[30:70, 150:200] = 3  # 20 ha of it
    kind[np.abs(x - 70 - 25 * np.sin(y / 38)) < 9] = 0  # a river
    spectra = [[0.05, 0.06, 0.04, 0.02], [0.03, 0.05, 0.03, 0.32], [0.06, 0.09, 0.08, 0.42], [0.10, 0.14, 0.18, 0.26]]
    values = np.array(spectra)[kind].transpose(2, 0, 1) + rng.normal(0, 0.006, (4, SIDE, SIDE))
    box = GeoBox((SIDE, SIDE), Affine(10, 0, 500_000, 0, -10, 5_100_000), "EPSG:32633")
    cube = contract.make(
        values.clip(0.001).astype(np.float32)[None], bands=["B02", "B03", "B04", "B08"], geobox=box,
        time=[np.datetime64(day, "ns")], wavelength=[492.4, 559.8, 664.6, 832.8], quantity="reflectance", units="1",
        sensor="sentinel-2-l2a", attrs={"simulated": "yes"},
    )  # fmt: skip
    return Path(save(cube, path))


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made scene on one date."""
    return _valley("2021-07-01", tmp_path_factory.mktemp("scene") / "valley.tif")


@pytest.fixture(scope="session")
def dates(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The made scene before and after 20 ha of the wood were cleared."""
    folder = tmp_path_factory.mktemp("dates")
    return [
        _valley("2020-07-01", folder / "valley_2020.tif"),
        _valley("2021-07-01", folder / "valley_2021.tif", cleared=True),
    ]


@pytest.fixture
def explore(tmp_path: Path) -> Iterator[Callable[..., Explorer]]:
    """Start `swath explore` with scenes and options; all that were started are ended."""
    started: list[Explorer] = []

    def start(*words: object, folder: Path | None = None) -> Explorer:
        home = folder or tmp_path / "workspace"
        if "--port" not in words:  # other tests listen too
            words = (*words, "--port", 0)
        command = [sys.executable, "-m", "swath", "explore", *map(str, words), "--no-browser", "--out", str(home)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                started.append(Explorer(process, found.group(0), home))
                return started[-1]
        raise AssertionError("swath explore gave no address: " + "".join(said))

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(20)
        if one.process.stdout is not None:
            one.process.stdout.close()


@dataclass
class Heard:
    """What a page complained of while a test ran."""

    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open the address in a fresh browser; errors, policy violations and requests to other hosts fail the test at its end."""
    contexts: list[Any] = []
    heard = Heard()

    def open_(
        explorer: Explorer, *, size: tuple[int, int] = (1280, 800), dark: bool = False, url: str | None = None
    ) -> Any:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: heard.errors.append(str(error)))
        page.on("console", lambda message: _listen(message, heard))
        page.on("request", lambda request: _outside(request.url, explorer.base, heard))
        page.goto(url or explorer.url)
        page.heard = heard
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not heard.outside, f"requests left the machine: {heard.outside}"
    assert not heard.errors, f"the page complained: {heard.errors}"


def _listen(message: Any, heard: Heard) -> None:
    # A refused request is an answer that the page shows in words; the browser logs it as a failed resource.
    if (
        message.type == "error"
        and "Failed to load resource" not in message.text
        and "ERR_CONNECTION" not in message.text
    ):
        heard.errors.append(message.text)


def _outside(url: str, base: str, heard: Heard) -> None:
    if not url.startswith((base, "blob:", "data:")):
        heard.outside.append(url)
