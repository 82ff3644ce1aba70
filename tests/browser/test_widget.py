"""The widgets of notebooks 00 and 01 in JupyterLab, in a real browser: what they show changes with
what is moved and typed.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("MARS_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def server(tmp_path):
    """A JupyterLab over copies of the notebooks; yields its address."""
    for path in (ROOT / "notebooks").glob("0[01]*.ipynb"):
        shutil.copy(path, tmp_path)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--port=0",
        f"--ServerApp.root_dir={tmp_path}",
        "--IdentityProvider.token=course",
        "--LabApp.news_url=''",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    log = (tmp_path / "server.log").open("w+")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    address = None
    for _ in range(120):
        time.sleep(0.5)
        text = (tmp_path / "server.log").read_text()
        found = [word for word in text.split() if word.startswith("http://127.0.0.1:")]
        if found:
            address = found[0].split("/lab")[0]
            break
    assert address, (tmp_path / "server.log").read_text()
    yield address
    process.terminate()
    process.wait(20)
    log.close()


@pytest.fixture
def page():
    """A page of a browser."""
    assert CHROMIUM, "no Chromium: install one, or name it in MARS_CHROMIUM"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1400, "height": 1000})
        browser.close()


def run_all(page, server, notebook, control):
    """Run a notebook; the first element `control`, and the area of the widget that it is in."""
    page.goto(f"{server}/lab/tree/{notebook}?token=course", timeout=120_000)
    page.wait_for_selector(".jp-Notebook", timeout=120_000)
    page.wait_for_selector(".jp-Toolbar-kernelName:has-text('Python 3')", timeout=120_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_selector(control, state="attached", timeout=240_000)
    found = page.locator(control).first
    found.scroll_into_view_if_needed()
    area = page.locator(f".widget-vbox:has({control})").first
    area.locator("audio").first.wait_for(state="attached", timeout=60_000)
    return found, area


def changed(area, before):
    """What the widget shows once all parts of it are others than before; or in the end.

    The kernel answers once it has run all cells, a live training among them: minutes, on a busy
    machine.
    """
    for _ in range(480):
        time.sleep(0.5)
        after = content(area)
        # Parts are read one after the other, and may straddle an update.
        if after is not None and all(after[part] != before[part] for part in before):
            break
    return after


def test_slider_moves_and_figure_and_player_follow(server, page):
    slider, area = run_all(page, server, "01_stft_masking.ipynb", ".widget-slider")
    before = content(area)
    text = area.locator("img").first.get_attribute("alt")
    handle = slider.locator(".noUi-handle").first
    handle.focus()
    for _ in range(5):
        handle.press("ArrowRight")
    after = changed(area, before)
    assert before["image"] != after["image"] and before["audio"] != after["audio"]
    said = area.locator("img").first.get_attribute("alt")
    assert text != said and "threshold 0." in said


def test_a_word_is_typed_into_the_panel_and_another_sound_comes_out(server, page):
    word, area = run_all(page, server, "00_hear_a_separation.ipynb", ".widget-text input")
    before = content(area)
    word.fill("trumpet")
    word.press("Enter")
    after = changed(area, before)
    assert before["image"] != after["image"] and before["audio"] != after["audio"]


def content(area) -> dict | None:
    """What the widget shows: the figure and the last sound; None while there is none."""
    if not area.locator("img").count() or not area.locator("audio").count():
        return None
    return {
        "image": area.locator("img").first.get_attribute("src"),
        "audio": area.locator("audio").last.get_attribute("src"),
    }
