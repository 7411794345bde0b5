"""A community built from what people have: meter readings, prices, a grid; see docs/own-community.md.

Each module has one part: a file becomes cells (:mod:`.sheet`), stamps become minutes (:mod:`.clock`), columns become readings of
households (:mod:`.words`, :mod:`.meters`), readings become whole days at one resolution (:mod:`.resolution`, :mod:`.filling`) and loads
and sun (:mod:`.flows`). Prices, prosumers and grids have a module each, and :mod:`.build` puts all of it together.
"""

from __future__ import annotations

from .build import Built, build_community
from .request import BuildRequest

__all__ = ["BuildRequest", "Built", "build_community"]
