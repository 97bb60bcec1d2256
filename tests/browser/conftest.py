"""A real Chromium, and a live run for it to look at."""

import contextlib
import os
import shutil
import threading
from pathlib import Path

import pytest

import edgemask
from edgemask.cameras import FakeCamera, open_camera
from edgemask.loop import Loop
from edgemask.sinks.sink import Sink
from edgemask.tracking import Tracker
from edgemask.verbs.demo import pan_and_zoom
from edgemask.web.access import Access
from edgemask.web.page import WebPage


@pytest.fixture
def browser():
    """Opens a Chromium of its own, of this window size and with more options."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        assert not os.environ.get("CI"), "CI must have chromium and chromium-driver"
        pytest.skip("needs chromium and chromedriver: apt install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    def open_browser(link, size="900,900", **experimental):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", f"window-size={size}"):
            options.add_argument(f"--{argument}")
        for name, value in experimental.items():
            options.add_experimental_option(name, value)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        stack.callback(driver.quit)
        driver.get(link)
        return driver

    with contextlib.ExitStack() as stack:
        yield open_browser


class Kept(Sink):
    """Every frame's picture and detections by its number."""

    def __init__(self):
        super().__init__()
        self.results = {}

    def write(self, frame, detections):
        self.results[frame.number] = frame.rgb, detections


class Live:
    """A camera that pans over the astronaut, the real networks, the tracker, and the page."""

    def __init__(self, pictures, model, public=False):
        self.page, self.kept = WebPage(Access("127.0.0.1:0", public)), Kept()
        self.loop = Loop(FakeCamera(pictures, fps=10), model, [self.page, self.kept], tracker=Tracker(), threshold=0.7)
        self.thread = threading.Thread(target=self.loop.run, daemon=True)

    @property
    def link(self):
        return f"http://127.0.0.1:{self.page.server.port}/"

    def __enter__(self):
        self.thread.start()
        while not self.kept.results and self.thread.is_alive():
            self.thread.join(0.05)
        return self

    def __exit__(self, *_):
        self.loop.stop()
        self.thread.join()


@pytest.fixture(scope="session")
def panned(tmp_path_factory, astronaut):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    pan_and_zoom(astronaut, path)
    with open_camera(path) as clip:
        return [frame.rgb for frame in clip]


@pytest.fixture
def live(panned, model):
    with Live(panned, model) as live:
        yield live


@pytest.fixture
def dense_live(panned):
    with Live(panned, edgemask.load(threads=1, dense=True)) as live:
        yield live


@pytest.fixture
def public(panned, model):
    with Live(panned, model, "a-token-of-ours") as live:
        yield live


@pytest.fixture
def artefacts(tmp_path) -> Path:
    """Where screenshots are kept: $EDGEMASK_ARTEFACTS, or pytest's own folder."""
    folder = Path(os.environ.get("EDGEMASK_ARTEFACTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
