"""The slider of notebook 01 in JupyterLab, in a real browser: it moves, the figure and the player
change.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = "01_stft_masking.ipynb"
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
    """A JupyterLab over a copy of the notebook; yields its address."""
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, tmp_path)
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


def test_slider_moves_and_figure_and_player_follow(server):
    assert CHROMIUM, "no Chromium: install one, or name it in MARS_CHROMIUM"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(f"{server}/lab/tree/{NOTEBOOK}?token=course", timeout=120_000)
        page.wait_for_selector(".jp-Notebook", timeout=120_000)
        page.wait_for_selector(".jp-Toolbar-kernelName:has-text('Python 3')", timeout=120_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_selector(".widget-slider", state="attached", timeout=240_000)
        slider = page.locator(".widget-slider").first
        slider.scroll_into_view_if_needed()
        area = page.locator(".widget-vbox:has(.widget-slider)").first
        area.locator("audio").first.wait_for(state="attached", timeout=60_000)
        before = content(area)
        handle = slider.locator(".noUi-handle").first
        handle.focus()
        for _ in range(5):
            handle.press("ArrowRight")
        for _ in range(120):
            time.sleep(0.5)
            after = content(area)
            # Caption, figure and sound are read one after the other, and may straddle an update.
            if all(after[part] != before[part] for part in before):
                break
        browser.close()
    assert before["text"] != after["text"] and "threshold 0." in after["text"]
    assert before["image"] != after["image"] and before["audio"] != after["audio"]


def content(area) -> dict:
    """What the widget shows: the caption, the figure and the sound."""
    image = area.locator("img").first
    return {
        "text": image.get_attribute("alt"),
        "image": image.get_attribute("src"),
        "audio": area.locator("audio").first.get_attribute("src"),
    }
