"""How long the explorer takes to answer, on the server and in the browser, and the picture of its page.

    python benchmarks/explorer.py --write docs/explore.md
    python benchmarks/explorer.py --picture docs/figures/explore.png

Of every change these times are taken, each as median and 95th percentile over turns:

* clear: the day is cleared and settled;
* answer: from the event to the patches of the document, written as for the browser, with the pause in which changes are collected;
* its CPU time: what the processor works for an answer, whatever else runs on the machine;
* browser: from a key pressed on a slider to the number on the page, in headless Chromium with the real server.

Nobody waits for what is worked out beside the page (the optimum, the curve, the leader's choice); in the browser's case it runs meanwhile.
The load average is stated: with more programs running than cores, every time but the CPU time grows.

Each kind of change ends after ``--turns`` turns or ``--seconds``, whichever comes first. What is under way is said on stderr.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from bokeh.document import Document
from bokeh.document.events import DocumentPatchedEvent
from bokeh.protocol import Protocol
from cases import case_community
from playwright.sync_api import Page, sync_playwright

from gridtoll import __version__
from gridtoll.envs import Scenario, export_community
from gridtoll.envs.games.spec import GameSpec
from gridtoll.envs.machine import available_cores
from gridtoll.train.explore.background.processes import Background
from gridtoll.train.explore.model.played import play
from gridtoll.train.explore.model.problem import Problem
from gridtoll.train.explore.page.begun import Begun
from gridtoll.train.explore.page.day_page import PAUSE_MS, DayPage
from gridtoll.train.explore.page.hour_page import HourPage

COMMUNITIES: Final = ("simbench-rural", "ieee57", "57")
"""Names; a number stands for a community of so many prosumers, all of whom may trade with one another (:mod:`cases`)."""
PATIENCE_S: Final = 10.0
"""How long a number on the page may stay as it is; after that the change counts as one that shows in no number."""
_BEGIN, _END = "<!-- written by benchmarks/explorer.py -->\n", "<!-- until here -->"


class Nobody(Background):
    """Works nothing out."""

    def __init__(self) -> None:
        """Start no process."""

    def page(self) -> int:
        """Return a number."""
        return 0

    def newer(self, kind: Any, page: int) -> None:
        """Nothing runs that could be given up."""

    def ask(self, *_: Any) -> Future[Any]:
        """Return what never comes."""
        return Future()


def main() -> None:
    """Measure, draw, write."""
    parser = argparse.ArgumentParser(description="Measure how long the explorer takes to answer.")
    parser.add_argument("--communities", nargs="+", default=list(COMMUNITIES), help="names, folders, or numbers of prosumers")
    parser.add_argument("--turns", type=int, default=30, help="at most so many of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=8.0, help="each kind ends after so long (default: %(default)g)")
    parser.add_argument("--no-browser", action="store_true", help="leave the browser out")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table into this document")
    parser.add_argument("--picture", type=Path, metavar="PNG", help="draw the page instead")
    options = parser.parse_args()
    if options.picture is not None:
        draw(options.picture)
        return
    with tempfile.TemporaryDirectory() as folder:
        bounds = Bounds(options.turns, options.seconds)
        rows = [row for text in options.communities for row in measured(made(text, Path(folder)), bounds, browser=not options.no_browser)]
    table = "\n".join(
        [
            "| community | prosumers | change | clear (ms) | answer (ms) | its CPU time (ms) | browser (ms) |",
            "|---|---|---|---|---|---|---|",
            *rows,
        ]
    )
    libraries = ", ".join([f"gridtoll {__version__}", *(f"{name} {version(name)}" for name in ("bokeh", "numpy", "numba"))])
    machine = f"{platform.machine()}, {available_cores()} cores, load average {os.getloadavg()[0]:.1f}; Python {platform.python_version()}"
    text = f"{machine}, {libraries}.\n\n{table}\n"
    print(text)
    if options.write is not None:
        document = options.write.read_text(encoding="utf-8")
        pattern = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)
        options.write.write_text(pattern.sub(lambda _: f"{_BEGIN}{text}{_END}", document), encoding="utf-8")


class Bounds(NamedTuple):
    """How much of each kind of change is measured: so many turns, and no turn begins after so many seconds."""

    turns: int
    seconds: float

    def of(self, name: str, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the values of a kind within these bounds, and say how many those were."""
        ends, done = time.monotonic() + self.seconds, 0
        for value in islice(values, self.turns):
            if time.monotonic() > ends:
                break
            yield value
            done += 1
        say(f"  {name}: {done} turns")


def say(text: str) -> None:
    """Say what is under way."""
    print(text, file=sys.stderr, flush=True)


def made(text: str, folder: Path) -> str:
    """Return a community's name, or the folder of one of so many prosumers."""
    if not text.isdecimal():
        return text
    export_community(case_community(int(text)), folder / text)
    return str(folder / text)


def measured(community: str, bounds: Bounds, *, browser: bool) -> list[str]:
    """Return the rows of one community."""
    problem = Problem(spec=GameSpec(community=community), scenario=Scenario(180, 0))
    say(f"{problem.community.name}: getting ready")
    play(problem, np.array([0.2]))  # compiles
    server, pages = on_the_server(problem, bounds), in_the_browser(community, bounds) if browser else {}
    found = problem.community
    who = f"| `{found.name}` | {found.n_prosumers} |"
    return [
        f"{who} {change} | {times(clear)} | {times(answer)} | {times(used)} | {times(pages.get(change, []))} |"
        for change, (clear, answer, used) in server.items()
    ]


def times(milliseconds: list[float]) -> str:
    """Return the median and the 95th percentile."""
    median, late = np.percentile(milliseconds, [50, 95]) if milliseconds else (np.nan, np.nan)
    return f"{median:.0f}, {late:.0f}" if milliseconds else ""


def on_the_server(problem: Problem, bounds: Bounds) -> Mapping[str, tuple[list[float], list[float], list[float]]]:
    """Return how long clearing and answering take and what the processor works for an answer, all in ms, by what is changed."""
    document, patches = Document(), list[DocumentPatchedEvent]()
    begun = Begun(problem=problem, charge=0.2, leader="zero")
    page = DayPage(document, begun, Nobody())
    document.on_change(lambda event: patches.append(event) if isinstance(event, DocumentPatchedEvent) else None)
    rng = np.random.default_rng(0)
    changes: dict[str, tuple[Any, list[float]]] = {
        "charge": (page.charge_slider, rng.uniform(0.0, problem.setting.charge_cap, bounds.turns).tolist()),
        "day": (page.day_slider, rng.permutation(problem.community.n_days).tolist()),
        "batteries": (page.storage, np.linspace(0.0, 3.0, bounds.turns).round(3).tolist()),
    }
    found: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for name, (control, values) in changes.items():
        clear, answer, used = [], [], []
        for value in bounds.of(f"{name}, on the server", values if not control.disabled else ()):
            began, before = time.perf_counter(), time.process_time()
            control.value = value
            page.answer()
            _ = Protocol().create("PATCH-DOC", patches).content_json  # written, not sent
            answer.append(1e3 * (time.perf_counter() - began) + PAUSE_MS)
            used.append(1e3 * (time.process_time() - before))
            patches.clear()
            clear.append(1e3 * seconds(lambda: play(page.problem, page.charge)))
        found[name] = clear, answer, used
    hours, answer, used = HourPage(Document(), begun, Nobody()), [], []
    for _ in bounds.of("an hour by hand, on the server", range(problem.day.n_periods)):
        before = time.process_time()
        answer.append(1e3 * seconds(hours.post_hour))
        used.append(1e3 * (time.process_time() - before))
    found["an hour by hand"] = [], answer, used
    return found


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_the_browser(community: str, bounds: Bounds) -> Mapping[str, list[float]]:
    """Return how long the page takes from a key to the number in ms, by what is changed."""
    found: dict[str, list[float]] = {}
    with served(community) as url, opened() as page:
        for name, slider in (("charge", 0), ("day", 1), ("batteries", 2)):
            page.goto(url)
            page.locator(".tiles b").first.wait_for()
            page.wait_for_timeout(2000)
            handle = page.locator(".noUi-handle").nth(slider)
            took = [pressed(page, handle) for _ in bounds.of(f"{name}, in the browser", range(bounds.turns))]
            found[name] = [each for each in took if each < 1e3 * PATIENCE_S]
        page.goto(f"{url}hourly")
        page.get_by_role("button", name="Post the charge").wait_for()
        page.wait_for_timeout(2000)
        found["an hour by hand"] = [posted(page) for _ in bounds.of("an hour by hand, in the browser", range(20))]
    return found


def posted(page: Page) -> float:
    """Return how long it takes in ms from a click on the button that posts a charge until another hour is on the page."""
    hours = page.locator("b.hours")
    before, began = hours.inner_text(), time.perf_counter()
    page.get_by_role("button", name="Post the charge").click()
    while hours.inner_text() == before:
        if time.perf_counter() - began > PATIENCE_S:
            raise RuntimeError(f"a posted charge must be answered within {PATIENCE_S:g} s, and the page still says {before!r}.")
    return 1e3 * (time.perf_counter() - began)


def pressed(page: Page, handle: Any) -> float:
    """Return how long it takes in ms from a key pressed on a slider until a number on the page is another one."""
    handle.focus()
    page.evaluate(_WATCH, 1e3 * PATIENCE_S)
    page.keyboard.press("ArrowRight")
    return float(page.evaluate("() => window.changed"))


# In the page: takes the time from the next key until a number has changed.
_WATCH: Final = """(patience) => {
  const all = (root) => [root, ...[...root.querySelectorAll("*")].filter(e => e.shadowRoot).flatMap(e => all(e.shadowRoot))];
  const text = () => all(document).map(root => root.querySelector(".tiles")).find(Boolean)?.textContent;
  const before = text();
  window.changed = new Promise(resolve => addEventListener("keydown", () => {
    const began = performance.now();
    const look = () => text() !== before || performance.now() - began > patience
      ? requestAnimationFrame(() => resolve(performance.now() - began)) : setTimeout(look, 2);
    look();
  }, {once: true, capture: true}));
}"""


@contextmanager
def served(*words: str) -> Iterator[str]:
    """Serve the pages by the command meanwhile, and yield where they are."""
    command = [sys.executable, "-m", "gridtoll.train", "explore", *words, "--day", "180", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - this package's own command
        try:
            said: list[str] = []
            for line in process.stderr or ():
                said.append(line)
                if found := re.search(r"open (http://[\d.:]+/)", line):
                    yield found[1]
                    break
            else:
                raise RuntimeError(f"the page must be served, and the command ended: {' '.join(said)}")
        finally:
            process.terminate()


@contextmanager
def opened(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open a browser meanwhile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": width, "height": height})
        browser.close()


def draw(path: Path) -> None:
    """Draw the page of a day when all on it is known."""
    with served("simbench-rural", "--charge", "0.3") as url, opened() as page:
        page.goto(url)
        for name in ("optimum", "leader"):
            page.locator(f".about-{name} b").first.wait_for(timeout=300_000)
        page.wait_for_timeout(20_000)  # for the curve
        page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
