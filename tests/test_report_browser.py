"""The report in a browser without a window: it plays, its slider moves, it fetches nothing, and axe-core finds nothing.

It wants Chromium with its driver and selenium. The environment variable RTRBM_AXE names the file axe.min.js.
"""

import json
import os
import shutil
import threading
import time

import numpy as np
import pytest
from test_report import EVIL, TINY, pixels

from rtrbm import CRBM, RTRBM
from rtrbm.report import live, write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
CHROMIUM, DRIVER = (next(filter(None, map(shutil.which, names)), None) for names in (
    ("chromium", "chromium-browser", "google-chrome"), ("chromedriver",),
))  # fmt: skip
if not (CHROMIUM and DRIVER):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)
needs_axe = pytest.mark.skipif(not os.environ.get("RTRBM_AXE"), reason="RTRBM_AXE does not name axe.min.js")


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_window_size(1000, 900)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The paths of reports about images, notes and curves."""
    folder, X = tmp_path_factory.mktemp("reports"), pixels()
    model = RTRBM(8, **TINY).fit(X[:4], validation=X[4:])
    write_report(folder / "images.html", model, X, title=EVIL, warnings=[EVIL])
    write_report(folder / "roll.html", RTRBM(5, visible="poisson", **TINY).fit(X[:, :, :40]), X[:, :, :40])
    Y = np.cumsum(np.random.default_rng(0).standard_normal((4, 40, 3)), axis=1)
    write_report(folder / "curves.html", CRBM(5, visible="gaussian", standardize=True, **TINY).fit(Y), Y)
    return folder


def look(browser, address, scheme="light", motion="reduce"):
    """Open a page; the logs begin anew."""
    features = [{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(str(address))


def fetched(browser):
    """The addresses that the page asked for."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def find(browser, selector, n=0):
    return browser.find_elements("css selector", selector)[n]


every_report = pytest.mark.parametrize("name", ["images", "roll", "curves"])


@every_report
def test_a_report_plays_and_fetches_nothing(browser, reports, name):
    address = (reports / f"{name}.html").as_uri()
    look(browser, address)
    figures = browser.find_elements("css selector", "figure")
    drawn = browser.find_elements("css selector", "figure canvas, figure .drawing > div > svg")
    assert len(figures) >= 5 and len(drawn) >= len(figures)
    button, slider = find(browser, ".controls button"), find(browser, ".controls input")
    assert button.text == "Play" and slider.get_attribute("value") == "0"  # reduced motion: it waits
    button.click()
    assert button.text == "Pause"
    deadline = time.monotonic() + 10
    while slider.get_attribute("value") == "0":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    button.click()
    at = int(slider.get_attribute("value"))
    button.send_keys("\ue014")  # the right arrow
    assert button.text == "Play" and int(slider.get_attribute("value")) == at + 1
    slider.send_keys(" ")
    assert button.text == "Pause"
    slider.send_keys(" ")
    before = find(browser, ".readout").text
    slider.send_keys("\ue012")  # the left arrow
    assert find(browser, ".readout").text == slider.get_attribute("aria-valuetext") != before
    assert fetched(browser) == [address]
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_a_dream_starts_by_itself_where_motion_is_welcome(browser, reports):
    look(browser, (reports / "images.html").as_uri(), motion="no-preference")
    button = find(browser, ".controls button")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
    deadline = time.monotonic() + 10
    while button.text != "Pause":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    button.click()
    time.sleep(0.3)
    assert button.text == "Play"


def test_a_slider_changes_the_picture(browser, reports):
    look(browser, (reports / "images.html").as_uri())
    picture = "return document.querySelector('canvas').toDataURL()"
    before = browser.execute_script(picture)
    find(browser, ".controls input").send_keys("\ue014" * 3)
    assert browser.execute_script(picture) != before
    assert "Frame 4 of 24" in find(browser, ".readout").text


def test_the_button_changes_the_theme(browser, reports):
    look(browser, (reports / "images.html").as_uri(), scheme="dark")
    colour = "return getComputedStyle(document.body).backgroundColor"
    dark = browser.execute_script(colour)
    assert find(browser, ".theme").text == "Light theme"
    find(browser, ".theme").click()
    assert browser.execute_script(colour) != dark and find(browser, ".theme").text == "Dark theme"


def test_a_foreign_script_does_not_run(browser, reports):
    """Control of the policy: what should come to stand on the page all the same is not run."""
    look(browser, (reports / "images.html").as_uri())
    browser.execute_script(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"window.hurt = 1\">');"
        "const s = document.createElement('script'); s.textContent = 'window.hurt = 2'; document.body.append(s)"
    )
    time.sleep(0.3)
    assert browser.execute_script("return window.hurt") is None
    assert len([entry for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]]) == 2


def serious(browser):
    """What axe-core finds, but what it calls minor."""
    with open(os.environ["RTRBM_AXE"], encoding="utf-8") as file:
        browser.execute_script(file.read())
    found = browser.execute_async_script("axe.run(document, {resultTypes: ['violations']}).then(arguments[0])")
    return [violation for violation in found["violations"] if violation["impact"] != "minor"]


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@every_report
def test_axe_finds_nothing(browser, reports, name, scheme):
    look(browser, (reports / f"{name}.html").as_uri(), scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert serious(browser) == []
    browser.execute_script(
        "document.querySelector('main p').style.color = '#777'; document.querySelector('h1').remove()"
    )
    assert {v["id"] for v in serious(browser)} >= {"color-contrast", "page-has-heading-one"}  # control


@needs_axe
def test_the_live_page(browser, tmp_path):
    X = pixels()
    model = RTRBM(8, **TINY).fit(X[:4], validation=X[4:])
    serving = live.server(tmp_path)
    thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = f"http://127.0.0.1:{serving.server_port}/"
        look(browser, address)
        assert "no model file" in find(browser, "#state").text
        model.save(tmp_path / "run.h5")
        deadline = time.monotonic() + 20
        while not browser.find_elements("css selector", "section svg"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "update 12 of 12" in find(browser, "section p").text
        assert set(fetched(browser)) == {address, f"{address}state.json"}
        assert serious(browser) == [] and browser.get_log("browser") == []
    finally:
        serving.shutdown()
        thread.join()
        serving.server_close()
