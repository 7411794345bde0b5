"""One field of an observation: its name, size, unit and scale."""

from __future__ import annotations

from typing import NamedTuple

from ...community.day import Array

Values = dict[str, Array]


class Field(NamedTuple):
    """A field; the observation holds (value − centre) / scale of each of its numbers.

    Attributes:
        name: Its name in the layout.
        size: How many numbers it has.
        shape: What they run over, in words: ``"T"``, ``"T·N"``, or a number.
        unit: Unit of the values.
        centre: Value that becomes 0.
        scale: Difference of values that becomes 1.
        meaning: What the values are.
    """

    name: str
    size: int
    shape: str
    unit: str
    centre: float
    scale: float
    meaning: str

    def values(self, scaled: Array, *, price_level: float = 1.0) -> Array:
        """Return its values in their own unit, for what an observation holds of them, shape (size,).

        Args:
            scaled: That, shape (size,).
            price_level: By which prices are divided in the observation.
        """
        level = price_level if self.unit.startswith("EUR") else 1.0
        values: Array = level * (scaled * self.scale + self.centre)
        return values
