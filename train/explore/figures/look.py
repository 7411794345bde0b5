"""How pictures of the page look: Okabe and Ito's colours, quiet axes, no toolbar, text that is legible on a phone."""

from __future__ import annotations

from typing import Any, Final

from bokeh.models import HoverTool
from bokeh.plotting import figure

INK: Final = "#222222"
QUIET: Final = "#767676"
LINES: Final = "#e4e4e4"
SUN: Final = "#e69f00"
IMPORT: Final = "#0072b2"
EXPORT: Final = "#d55e00"
TRADE: Final = "#56b4e9"
BATTERY: Final = "#009e73"
LEADER: Final = "#cc79a7"
FONT: Final = "sans-serif"


def plain(*, x: str, y: str, height: int = 300, tooltips: Any = None, **more: Any) -> figure:
    """Return an empty figure as wide as its place.

    Args:
        x: What the horizontal axis counts, with its unit.
        y: The same of the vertical one.
        height: In pixels.
        tooltips: What is said where the pointer is, as Bokeh's ``HoverTool`` takes it, None for nothing.
        more: Further arguments of Bokeh's ``figure``.
    """
    made = figure(
        height=height, sizing_mode="stretch_width", tools="", toolbar_location=None, x_axis_label=x, y_axis_label=y, min_width=240, **more
    )
    if tooltips is not None:
        made.add_tools(HoverTool(tooltips=tooltips))
    made.outline_line_color = None
    made.background_fill_color = made.border_fill_color = None
    made.min_border_right = 12
    for axis in made.axis:
        axis.axis_label_text_font = axis.major_label_text_font = FONT
        axis.axis_label_text_font_size, axis.major_label_text_font_size = "13px", "12px"
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = QUIET
        axis.minor_tick_line_color = None
    made.grid.grid_line_color = LINES
    return made


def hours_axis(made: figure, hours: float) -> None:
    """Have the horizontal axis count the hours of a day."""
    made.x_range.start, made.x_range.end = 0.0, hours
    made.xaxis.ticker = list(range(0, round(hours) + 1, 4))
