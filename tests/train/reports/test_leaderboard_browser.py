"""The report in a real browser, headless Chromium: on a phone, on a desk and on paper."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from compared import make_comparison

from gridtoll.train.reports.results import read_results
from gridtoll.train.reports.story import tell
from gridtoll.train.reports.writing import write_report

BROWSER: Final = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
WIDTHS: Final = (390, 820, 1280)
"""A phone, a tablet, a desk, in CSS pixels."""

# Runs in a copy of the page, for measuring only: the page itself has no script. It answers to the page around it.
_PROBE: Final = """<script>
const wrong = [];
addEventListener("error", event => wrong.push(String(event.message || event.target.outerHTML).slice(0, 200)), true);
addEventListener("load", async () => {
  const images = [...document.images], page = document.documentElement;
  await Promise.all(images.map(image => image.decode().catch(error => wrong.push(String(error)))));
  const outside = [...document.querySelectorAll("main *")].filter(
    each => !each.closest(".box > *") && each.getBoundingClientRect().right > innerWidth + 1);
  parent.postMessage({
    width: innerWidth, scrollWidth: page.scrollWidth, wrong,
    images: images.length, drawn: images.filter(each => each.complete && each.naturalWidth > 50 && each.width > 200).length,
    tables: document.querySelectorAll("table").length, rows: document.querySelectorAll("tbody tr").length,
    requests: performance.getEntriesByType("resource").map(each => each.name.slice(0, 80)).filter(each => !each.startsWith("data:")),
    outside: outside.map(each => each.outerHTML.slice(0, 120)),
    unscrollable: [...document.querySelectorAll(".box")].filter(
      each => each.scrollWidth > each.clientWidth && getComputedStyle(each).overflowX != "auto").length,
  }, "*");
});
</script>"""
# Windows cannot be as narrow as a phone, frames can.
_FRAMES: Final = """<!doctype html><meta charset="utf-8"><pre id="answers"></pre><script>
const answers = [];
addEventListener("message", event => {
  answers.push(event.data);
  document.getElementById("answers").textContent = JSON.stringify(answers);
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium (chromium, chromium-browser or google-chrome) on the PATH")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_comparison(tmp_path_factory.mktemp("comparison"), seeds=2, days=8)
    out = tmp_path_factory.mktemp("report")
    write_report(tell(read_results(made)), out)
    return out / "report.html"


def browse(profile: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the browser once, with a profile of its own and no access to the network."""
    fixed = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars")
    offline = ("--host-resolver-rules=MAP * ~NOTFOUND", "--disable-background-networking", "--disable-component-update")
    return subprocess.run(
        [str(BROWSER), *fixed, *offline, f"--user-data-dir={profile}", "--enable-logging=stderr", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def test_the_page_fits_a_phone_a_tablet_and_a_desk_and_asks_for_nothing(report: Path, tmp_path: Path) -> None:
    probed = tmp_path / "probed.html"
    probed.write_text(report.read_text(encoding="utf-8").replace("<head>", f"<head>{_PROBE}", 1), encoding="utf-8")
    frames = "".join(f'<iframe src="probed.html" width="{width}" height="900" style="border:0"></iframe>' for width in WIDTHS)
    (tmp_path / "frames.html").write_text(_FRAMES + frames, encoding="utf-8")
    done = browse(tmp_path / "profile", "--virtual-time-budget=20000", "--dump-dom", (tmp_path / "frames.html").as_uri())
    found = re.search(r'<pre id="answers">(.+?)</pre>', done.stdout, flags=re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(html.unescape(found.group(1)))
    assert sorted(answer["width"] for answer in answers) == list(WIDTHS)
    source = report.read_text(encoding="utf-8")
    for answer in answers:
        assert answer["scrollWidth"] <= answer["width"], answer["outside"]
        assert answer["outside"] == []
        assert answer["wrong"] == []
        assert answer["requests"] == []
        assert answer["images"] == answer["drawn"] == source.count("<img ")
        assert answer["tables"] == source.count("<table") > 5
        assert answer["rows"] > 30
        assert answer["unscrollable"] == 0
    assert "CONSOLE" not in done.stderr


def test_the_page_prints(report: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    done = browse(tmp_path / "profile", "--no-pdf-header-footer", f"--print-to-pdf={pdf}", report.as_uri())
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-"), done.stderr[-2000:]
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 3 <= pages <= 20


def test_the_page_can_be_photographed_and_is_not_blank(report: Path, tmp_path: Path) -> None:
    from PIL import Image

    shot = tmp_path / "report.png"
    browse(tmp_path / "profile", "--window-size=1280,2400", f"--screenshot={shot}", report.as_uri())
    with Image.open(shot) as picture:
        assert picture.size == (1280, 2400)
        colours = picture.convert("RGB").getcolors(maxcolors=2**24)
    assert colours is not None
    assert len(colours) > 500
