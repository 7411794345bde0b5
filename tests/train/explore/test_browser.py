"""The pages in a real browser, headless Chromium: at a desk and on a phone, a slider is moved and a number changes."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from gridtoll.train.cli import main

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
BROWSER: Final = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
WIDTHS: Final = (1280, 390)
"""A desk and a phone, in CSS pixels."""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium (chromium, chromium-browser or google-chrome) on the PATH")


@contextmanager
def served(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve the pages by the command meanwhile, and yield where they are."""
    command = [sys.executable, "-m", "gridtoll.train", "explore", *words, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = [process.stderr.readline(), process.stderr.readline()]
            found = re.search(r"open (http://127\.0\.0\.1:\d+/) in a browser", said[1])
            assert found is not None, said
            yield found[1], process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served("two-prosumers", "--day", "180", "--charge", "0.2", "--leader", "constant:0.3") as (where, _):
        yield where


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser that reaches this machine and nothing else."""
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        opened = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield opened
        opened.close()


@contextmanager
def page_at(browser: Any, url: str, width: int) -> Iterator[Any]:
    """Open a page, and see that it asks for nothing from elsewhere, complains of nothing and does not overflow."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(url)
    page.locator(".tiles b").first.wait_for()
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert wrong == []
    assert any(each.startswith("ws:") for each in asked)
    assert {urlsplit(each).hostname for each in asked if not each.startswith(("data:", "blob:"))} == {"127.0.0.1"}
    page.close()


def text_when(page: Any, selector: str, *, other_than: str) -> str:
    """Return a text once it is another one."""
    where = page.locator(selector)
    for _ in range(300):
        if (text := str(where.inner_text())) != other_than:
            return text
        page.wait_for_timeout(50)
    raise AssertionError(f"{selector} stayed {other_than!r}")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_slider_is_moved_and_a_number_changes(browser: Any, url: str, width: int) -> None:
    with page_at(browser, url, width) as page:
        before = page.locator("b.profit").inner_text()
        page.locator(".noUi-handle").first.focus()
        page.keyboard.press("ArrowRight")
        after = text_when(page, "b.profit", other_than=before)
        assert after.endswith(" EUR")
        page.locator(".about-optimum b").first.wait_for(timeout=60_000)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_typed_and_cannot_be_is_refused_in_the_words_of_the_command_line(
    browser: Any, url: str, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with page_at(browser, url, width) as page:
        typed = page.locator("input[type=text]").first
        typed.fill("1.7")
        typed.press("Enter")
        page.locator("[role=alert]").wait_for()
        said = page.locator("[role=alert]").inner_text()
        assert main(["clear", "--community", "two-prosumers", "--day", "180", "--charge", "1.7"]) == 2
        assert capsys.readouterr().err.strip() == f"gridtoll clear: error: {said}"
        typed.fill("0.25")
        typed.press("Enter")
        page.locator("[role=alert]").wait_for(state="hidden")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_hourly_game_is_played_by_hand(browser: Any, url: str, width: int) -> None:
    with page_at(browser, f"{url}hourly", width) as page:
        page.get_by_role("button", name="Post the charge for 00:00").click()
        assert text_when(page, "b.hours", other_than="0 of 24") == "1 of 24"
        page.get_by_role("button", name="Post the charge for 01:00").wait_for()


def test_interrupting_it_ends_it_well_and_leaves_no_process() -> None:
    with served("two-prosumers") as (_, process):
        children = [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.startswith("served http://127.0.0.1:")
    assert err == ""
    assert len(children) >= 2
    for _ in range(200):  # Python's own helper among them follows its parent a moment later
        left = [child for child in children if Path(f"/proc/{child}").exists()]
        if not left:
            break
        time.sleep(0.05)
    assert left == []
