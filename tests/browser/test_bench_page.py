"""The page of bench in a real Chromium: everything is drawn, nothing leaves its plot, nothing comes from elsewhere."""

import json
from pathlib import Path

import pytest

from edgemask.benchmarks.latency.page import page

pytestmark = pytest.mark.browser
RESULTS = sorted((Path(__file__).parents[2] / "benchmarks" / "results").glob("*.json"))
# Texts and shapes that lie outside their drawing's box, by a pixel or more.
OUTSIDE = """return [...document.querySelectorAll("svg")].flatMap(svg => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text, rect, circle, polyline")].filter(mark => {
        const it = mark.getBoundingClientRect();
        return it.left < box.left - 1 || it.right > box.right + 1 || it.top < box.top - 1 || it.bottom > box.bottom + 1;
    }).map(mark => mark.outerHTML.slice(0, 120));
})"""
RAGGED = """return [...document.querySelectorAll("tr")].filter(
    row => row.cells.length != row.closest("table").rows[0].cells.length).map(row => row.innerText)"""
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("size", ["1040,1400", "400,800"])
@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_plots_are_whole_at_any_width(browser, path, size, tmp_path, artefacts):
    result = json.loads(path.read_text())
    (tmp_path / "page.html").write_text(page(result))
    driver = browser(f"file://{tmp_path}/page.html", size)
    driver.save_screenshot(str(artefacts / f"bench-{path.stem}-{size.partition(',')[0]}.png"))
    assert driver.find_element("tag name", "h1").text == result["device"]
    plots = driver.find_elements("tag name", "svg")
    assert len(plots) >= (4 if result["runs"][0]["latency"] else 1) and all(plot.size["height"] > 60 for plot in plots)
    assert driver.execute_script(RAGGED) == []
    assert driver.execute_script(OUTSIDE) == [] and driver.execute_script(WIDER) <= 0
    assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
