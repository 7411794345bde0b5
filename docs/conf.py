"""The site: `make docs` builds it from this folder, without the internet.

Pages are the Markdown files of this folder, each once. What would otherwise stand twice is made before each build, in ``_generated/``:
the page of each environment from its docstring, the API reference from the modules, notebooks from the tutorials, and the two documents
that stand beside this folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

DOCS = Path(__file__).resolve().parent
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # notebooks call `gridtoll`
sys.path[:0] = [str(DOCS), str(DOCS.parent / ".pkg")]
os.environ["PYTHONPATH"] = str(DOCS.parent / ".pkg")  # notebooks show the clone that they are in, whatever else is installed

from site_parts import docstrings, links, pages  # noqa: E402

import gridtoll  # noqa: E402 - the path to it comes first

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project, author, release, language = "gridtoll", "The gridtoll authors", gridtoll.__version__, "en"
copyright = author  # noqa: A001 - Sphinx calls it so
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_generated/static", "_generated/notebooks/*/**", "site_parts"]
nitpicky = True
nitpick_ignore_regex = docstrings.FROM_ELSEWHERE
default_role = "code"  # a word in single backquotes is code, as in Markdown
suppress_warnings = ["config.cache"]  # `nitpick_ignore_regex` and the like hold no functions, but ours do

myst_enable_extensions = ["dollarmath", "amsmath", "deflist"]
myst_heading_anchors = 4
myst_links_external_new_tab = True
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS.parent / "build" / "notebooks")
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_traceback = True  # what a cell said, not only that it failed

autodoc_default_options = {"members": True, "undoc-members": True, "member-order": "bysource", "no-value": True, "ignore-module-all": True}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # fields of dataclasses are described by their class

linkcheck_ignore = [r"http://127\.0\.0\.1"]  # `make links`; the explorer's own address is no link
linkcheck_timeout, linkcheck_retries, linkcheck_workers = 20, 2, 2

html_theme = "furo"
html_title = f"gridtoll {release}"
html_static_path = ["_static", str(pages.write_all(DOCS))]
html_favicon = "_static/favicon.svg"
html_css_files = ["gridtoll.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
mathjax_path = "tex-svg.js"  # of the package django-static-mathjax: one file, with its letters as outlines
html_last_updated_fmt = None


def setup(app: Sphinx) -> None:
    """Connect what adapts sources and docstrings to the site."""
    app.connect("source-read", links.adapt_source)
    app.connect("include-read", links.adapt_included)
    app.connect("autodoc-process-docstring", docstrings.adapt, priority=100)  # before napoleon
    app.connect("autodoc-skip-member", docstrings.skip)
    app.connect("doctree-read", docstrings.resolve_imported)
    app.connect("missing-reference", docstrings.resolve)
