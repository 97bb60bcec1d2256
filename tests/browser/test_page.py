"""The web page as people see it: a real Chromium, a live run, pixels against the record."""

import base64
import time

import cv2
import numpy as np
import pytest

from edgemask.draw import OPACITY, colour
from edgemask.painting import COLOURS
from edgemask.painting import OPACITY as PARTS

pytestmark = pytest.mark.browser

CANVAS = "const it = document.getElementById('picture'); return [it.dataset.frame, it.toDataURL('image/png')]"


def until(value, seconds=30):
    """What it returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := value()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def number(driver):
    """Of the frame on the canvas; None before the first."""
    shown = driver.execute_script("return document.getElementById('picture').dataset.frame")
    return None if shown is None else int(shown)


def next_frame(driver):
    """Wait for a picture that was not there before."""
    before = number(driver)
    until(lambda: number(driver) not in (None, before))


def canvas(driver, live):
    """What the canvas shows, RGB, with the frame and the detections that belong to it."""
    shown, url = driver.execute_script(CANVAS)
    png = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.imdecode(png, cv2.IMREAD_COLOR)[..., ::-1].astype(int), *live.kept.results[int(shown)]


def press(driver, *keys):
    for key in keys:
        driver.find_element("tag name", "body").send_keys(key)
    next_frame(driver)


def text(driver, name):
    return driver.find_element("id", name).text


def off(one, other):
    """Mean difference in grey levels, as far as JPEG allows a comparison."""
    return np.abs(one - other).mean()


def test_a_moving_picture_with_masks_and_each_switch(browser, live, artefacts):
    driver = browser(live.link)
    until(lambda: live.kept.results and number(driver) and number(driver) > 5)
    driver.save_screenshot(str(artefacts / "page.png"))
    press(driver, "b")  # the boxes' lines and names would be in the way
    pictures = []
    for _ in range(3):
        next_frame(driver)
        shown, rgb, people = canvas(driver, live)
        assert len(people) and people.track_ids[0]
        tint = np.array(colour(int(people.track_ids[0])))
        mask = cv2.erode(people.masks()[0].astype(np.uint8), np.ones((5, 5))).astype(bool)
        background = ~cv2.dilate(people.masks().any(axis=0).astype(np.uint8), np.ones((5, 5))).astype(bool)
        assert mask.sum() > 2000 and background.sum() > 2000
        assert off(shown[mask], (1 - OPACITY) * rgb[mask] + OPACITY * tint) < 6 < 20 < off(shown[mask], rgb[mask])
        assert off(shown[background], rgb[background]) < 6
        pictures.append(shown)
    assert off(pictures[0], pictures[1]) > 1 and off(pictures[1], pictures[2]) > 1
    press(driver, "m")
    shown, rgb, people = canvas(driver, live)
    assert off(shown, rgb) < 6
    press(driver, "c")
    shown, rgb, people = canvas(driver, live)
    inside = cv2.erode(people.semantic(), np.ones((5, 5))) == 1
    assert off(shown[inside], np.array(colour(0))) < 1
    driver.find_element("id", "classes").click()
    driver.find_element("id", "boxes").click()
    next_frame(driver)
    shown, rgb, people = canvas(driver, live)
    x0, y0, x1, y1 = people.boxes[0]
    edge = shown[round((y0 + y1) / 2), max(0, round(x0) - 1) : round(x0) + 2]
    assert np.abs(edge - np.array(colour(int(people.track_ids[0])))).max(axis=1).min() < 40
    assert driver.get_log("browser") == []
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_body_parts_have_their_colours_and_a_switch(browser, dense_live, artefacts):
    driver = browser(dense_live.link)
    until(lambda: dense_live.kept.results and number(driver) and number(driver) > 2)
    driver.save_screenshot(str(artefacts / "parts.png"))
    press(driver, "b")
    shown, rgb, people = canvas(driver, dense_live)
    labels = people.iuv()[..., 0]
    inside = (labels > 0) & (cv2.erode(labels, np.ones((5, 5))) == cv2.dilate(labels, np.ones((5, 5))))
    assert inside.sum() > 1000 and len(np.unique(labels[inside])) > 5
    want = (1 - PARTS) * rgb[inside] + PARTS * COLOURS[labels[inside]]
    assert off(shown[inside], want) < 8 < 20 < off(shown[inside], rgb[inside])
    press(driver, "d", "m")
    shown, rgb, people = canvas(driver, dense_live)
    assert off(shown, rgb) < 6 and driver.get_log("browser") == []


def test_without_the_dense_head_no_switch_for_parts(browser, live):
    driver = browser(live.link)
    next_frame(driver)
    assert not driver.find_element("id", "parts").is_displayed()


def test_the_figures_are_the_records(browser, live):
    driver = browser(live.link)
    until(lambda: text(driver, "latency").endswith("ms") and text(driver, "fps") != "–")
    assert 0 < float(text(driver, "fps")) < 20 and int(text(driver, "count")) >= 0
    assert all(text(driver, name).removesuffix(" ms").isdecimal() for name in ("model", "age", "latency"))
    assert text(driver, "state") == ""


def test_two_viewers_at_once_and_one_that_stalls(browser, live, caplog):
    live.page.server.STALL = 1.5
    first, second = browser(live.link), browser(live.link)
    for driver in (first, second):
        next_frame(driver)
    assert live.page.server.viewers == 2
    encoded, frames = live.page.encoded, live.page.metrics.frames
    next_frame(first), next_frame(second)
    assert 0 < live.page.encoded - encoded <= live.page.metrics.frames - frames + 1
    second.execute_script("setTimeout(() => { const end = Date.now() + 6000; while (Date.now() < end); }, 0)")
    until(lambda: live.page.server.viewers == 1)
    for _ in range(5):
        next_frame(first)
    assert caplog.messages == ["a viewer of the web page stalled and was dropped"]
    until(lambda: live.page.server.viewers == 2)  # it comes back by itself
    next_frame(second)


def test_who_pauses_costs_nothing(browser, live):
    driver = browser(live.link)
    next_frame(driver)
    driver.find_element("tag name", "body").send_keys("p")
    until(lambda: live.page.server.viewers == 0)
    frames = live.page.metrics.frames
    until(lambda: live.page.metrics.frames > frames)  # who was about to encode for them has done so
    encoded, frames, still = live.page.encoded, live.page.metrics.frames, number(driver)
    until(lambda: live.page.metrics.frames > frames + 5)
    assert live.page.encoded == encoded and number(driver) == still and text(driver, "state") == "paused"
    press(driver, "p")
    assert text(driver, "state") == ""


def test_a_run_that_ends_and_one_that_follows(browser, live, panned, model):
    driver = browser(live.link)
    next_frame(driver)
    live.__exit__()
    until(lambda: text(driver, "state").startswith("no connection"))
    live.page.access.port = live.page.server.port
    with live.page:
        until(lambda: live.page.server.viewers == 1)
        live.page.write(*_again(live))
        until(lambda: text(driver, "state") == "")


def _again(live):
    from edgemask.cameras import Frame

    rgb, people = live.kept.results[max(live.kept.results)]
    return Frame(rgb, "fake", max(live.kept.results) + 1, 10.0), people


def test_no_token_no_picture(browser, public):
    driver = browser(public.link)
    assert "Open the full link" in driver.page_source and not driver.find_elements("tag name", "canvas")
    driver.get(f"{public.link}metrics")
    assert "edgemask_frames" not in driver.page_source
    driver.get(f"{public.link}?token=a-token-of-theirs")
    assert not driver.find_elements("tag name", "canvas") and public.page.server.viewers == 0
    driver.get(f"{public.link}?token=a-token-of-ours")
    next_frame(driver)


def test_it_fits_a_phone_in_the_dark(browser, live, artefacts):
    metrics = {"width": 360, "height": 740, "pixelRatio": 2, "touch": True}
    driver = browser(live.link, mobileEmulation={"deviceMetrics": metrics})
    until(lambda: text(driver, "fps") != "–")
    light = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") != light
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 360
    assert driver.execute_script("return document.documentElement.scrollHeight") <= 740
    for button in driver.find_elements("tag name", "button"):
        assert button.size["height"] >= 44 and button.size["width"] >= 44
    assert driver.find_element("id", "picture").size["width"] == 360
    driver.save_screenshot(str(artefacts / "phone.png"))


def test_the_keyboard_reaches_every_switch(browser, live):
    driver = browser(live.link)
    reached = []
    for _ in range(5):
        driver.switch_to.active_element.send_keys("\ue004")  # Tab
        reached.append(driver.switch_to.active_element.get_attribute("id"))
    assert reached == ["masks", "boxes", "classes", "pause", "full"]
    driver.find_element("id", "masks").send_keys(" ")
    assert driver.find_element("id", "masks").get_attribute("aria-pressed") == "false"
