"""The site that `make docs` builds: it is whole, it leads nowhere that is not there, and a browser shows it without the internet."""

from __future__ import annotations

import functools
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
BROWSER: Final = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
WIDTHS: Final = {"a phone": 390, "a desk": 1280}
"""In CSS pixels."""
SHOWN: Final = (
    "index.html",
    "tutorial.html",
    "model.html",
    "notation.html",
    "reference/report.html",
    "reference-hourly/report.html",
    "_generated/environments/day-ahead.html",
    "_generated/environments/hourly.html",
    "_generated/notebooks/tutorial.html",
    "_generated/api/gridtoll.envs.market.exact.html",
)
"""Pages of every kind."""
_FETCHES: Final = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("video", "src")}

pytestmark = pytest.mark.site


class Page(HTMLParser):
    """What a page links to, what it fetches, and what can be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.fetched: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif (tag, name) == ("a", "href") and value:
                self.links.add(value)
            elif (tag, name) in _FETCHES and value:
                self.fetched.add(value)


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that writes nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as its base calls it
        pass


@pytest.fixture(scope="module")
def site() -> Path:
    folder = ROOT / "build" / "docs"
    assert (folder / "index.html").is_file(), "there is no site in build/docs: run `make docs`"
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        pytest.skip("needs Chromium (chromium, chromium-browser or google-chrome) on the PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


def shown(browser: Any, url: str, width: int) -> tuple[Any, list[str]]:
    """Open a page, and return it with all that went wrong: requests to elsewhere, what is missing, what scripts complain of."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    wrong: list[str] = []
    page.on("request", lambda request: wrong.append(request.url) if urlsplit(request.url).hostname not in {"127.0.0.1", None} else None)
    page.on("response", lambda response: wrong.append(f"{response.status} {response.url}") if response.status >= 400 else None)
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(url)
    page.wait_for_load_state("networkidle")
    return page, wrong


def test_every_document_of_the_folder_is_a_page(pages: dict[str, Page]) -> None:
    documents = [path for path in (ROOT / "docs").rglob("*.md") if "_generated" not in path.parts]
    expected = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in documents}
    assert expected - set(pages) == set()


def test_the_reference_describes_every_public_class_and_function(pages: dict[str, Page]) -> None:
    import ast

    described = set().union(*(page.anchors for name, page in pages.items() if "/api/" in name))
    public = set()
    for path in (path for part in ("envs", "agents", "train") for path in (ROOT / part).rglob("*.py")):
        names = [*path.relative_to(ROOT).with_suffix("").parts]
        if names[-1].startswith("_") and names[-1] != "__init__":
            continue
        module = ".".join(["gridtoll", *(name for name in names if name != "__init__")])
        body = ast.parse(path.read_text(encoding="utf-8")).body
        public |= {f"{module}.{node.name}" for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name[0] != "_"}
    assert public - described == set()


def test_every_link_within_the_site_leads_to_a_page_and_a_place_in_it(site: Path, pages: dict[str, Page]) -> None:
    lost = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(urljoin(f"http://site/{name}", link))
            if parts.hostname != "site":
                continue
            target = unquote(parts.path).lstrip("/") or "index.html"
            anchor = unquote(parts.fragment)
            if target in pages:
                if anchor and anchor not in pages[target].anchors:
                    lost.append(f"{name}: {link}")
            elif not (site / target).is_file():
                lost.append(f"{name}: {link}")
    assert lost == []


def test_no_page_fetches_anything_from_elsewhere(pages: dict[str, Page]) -> None:
    assert [f"{name}: {each}" for name, page in pages.items() for each in page.fetched if urlsplit(each).netloc] == []


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
@pytest.mark.parametrize("name", SHOWN)
def test_a_page_is_shown_whole_and_no_request_leaves_the_machine(browser: Any, address: str, name: str, width: int) -> None:
    page, wrong = shown(browser, address + name, width)
    assert wrong == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("Promise.all([...document.images].map(image => { image.loading = 'eager'; return image.decode(); }))")
    page.close()


def test_formulas_are_set_by_the_bundled_mathjax(browser: Any, address: str) -> None:
    page, wrong = shown(browser, address + "model.html", WIDTHS["a desk"])
    page.wait_for_function("document.querySelectorAll('mjx-container svg').length >= 2")
    assert page.locator("[data-mml-node='merror']").count() == 0
    assert wrong == []
    page.close()


def test_the_search_finds_a_word_of_a_page(browser: Any, address: str) -> None:
    page, wrong = shown(browser, address + "search.html?q=elasticity", WIDTHS["a desk"])
    page.wait_for_selector("#search-results li a")
    assert any("tutorial" in str(link.get_attribute("href")) for link in page.locator("#search-results li a").all())
    assert wrong == []
    page.close()


def test_notebooks_were_executed_and_can_be_downloaded(site: Path, pages: dict[str, Page]) -> None:
    text = (site / "_generated" / "notebooks" / "tutorial.html").read_text(encoding="utf-8")
    assert "the best charge is 0.2883 EUR/kWh, proved" in text
    assert text.count("<img") >= 3
    downloads = [link for link in pages["_generated/notebooks/index.html"].links if link.endswith(".ipynb")]
    assert downloads
    assert all((site / "_generated" / "notebooks" / link).resolve().is_file() for link in downloads)
