"""Numbers as they come in at a door: arrays of real or whole numbers, and nothing that only looks like them.

NumPy turns text into numbers, True into 1, None into NaN and 1.7 into bus 1 when it is asked for a type. Here each of them is a fault.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
IntArray = NDArray[np.intp]

MOST_LISTED: Final = 8
"""Entries named per rule in an error, so that a message stays readable."""
_REAL: Final = "iuf"  # kinds of NumPy's types: signed and unsigned whole numbers, floating-point numbers
_KINDS: Final = {"b": "truth values", "c": "complex numbers", "U": "text", "S": "bytes", "M": "dates", "m": "spans of time", "V": "records"}


class Door:
    """Takes in the arguments of one thing, and collects what is wrong with them, so that all of it is raised at once.

    Args:
        what: What is being made, for example ``"grid 'triangle'"``.

    Attributes:
        values: What came in without a fault of type or shape, by name.
        faults: A sentence for each fault.
    """

    def __init__(self, what: str) -> None:
        self.values: dict[str, Array] = {}
        self.faults: list[str] = []
        self._what = what

    def numbers(self, name: str, value: ArrayLike, *shapes: tuple[int, ...]) -> None:
        """Take in an array of real numbers, as one of its own of float64.

        Args:
            name: What faults call it.
            value: What came.
            *shapes: Shapes it may have; the first is what it gets, and the others must broadcast to that. Any shape if there are none.
        """
        try:
            array = real_array(value)
        except ValueError as error:
            self.faults.append(f"`{name}` {error}")
            return
        if shapes and array.shape not in shapes:
            self.faults.append(f"`{name}` {wrong_shape(array.shape, shapes)}")
            return
        self.values[name] = np.array(np.broadcast_to(array, shapes[0]) if shapes else array, dtype=np.float64)

    def whole_numbers(self, name: str, value: ArrayLike, *shapes: tuple[int, ...]) -> None:
        """Take in whole numbers, which may be of a floating-point type: an index, or a count. For the arguments see :meth:`numbers`."""
        self.numbers(name, value, *shapes)
        self.require(name, "hold whole numbers", lambda array: np.isfinite(array) & (array == np.round(array)))

    def require(
        self, name: str, rule: str, holds: Callable[[Array], NDArray[np.bool_]], *, axes: Sequence[str] = (), remedy: str = ""
    ) -> None:
        """Add a fault where a value came in that breaks a rule, and leave it out.

        Args:
            name: The value.
            rule: What it must do, for example ``"be > 0"``.
            holds: Where it does: truth values for an array of the value's shape, which must broadcast to it.
            axes: What the axes of the value run over, for example ``("hour", "prosumer")``.
            remedy: What to do, a sentence.
        """
        value = self.values.get(name)
        if value is None:
            return
        bad = np.argwhere(~np.broadcast_to(holds(value), value.shape))
        if len(bad):
            self.faults.append(broken(name, rule, value, bad, axes=axes, remedy=remedy))
            del self.values[name]

    def names(self, name: str, value: Sequence[str], count: int | None = None, *, unique: bool = True) -> tuple[str, ...]:
        """Return names, and add a fault where they are not text, not as many as there should be, or not unique."""
        names: tuple[object, ...] = tuple(value)
        odd = [each for each in names if not isinstance(each, str) or not each]
        if odd:
            self.faults.append(f"`{name}` must be text that is not empty, got {', '.join(repr(each) for each in odd[:MOST_LISTED])}.")
        elif unique and len(set(names)) < len(names):
            twice = sorted(str(each) for each, count in Counter(names).items() if count > 1)
            self.faults.append(f"`{name}` must be unique, got twice: {', '.join(twice)}.")
        if count is not None and len(names) != count:
            self.faults.append(f"`{name}` must have {count} names, got {len(names)}.")
        return tuple(str(each) for each in names)

    def raise_if_any(self) -> None:
        """Raise every fault.

        Raises:
            ValueError: If there are any.
        """
        if self.faults:
            raise ValueError(f"{self._what} is not valid:\n" + "\n".join(f"  - {fault}" for fault in self.faults))


def wrong_shape(shape: tuple[int, ...], allowed: Sequence[tuple[int, ...]]) -> str:
    """Return what to say of a value whose shape is none of those allowed; it goes on from the name of the value."""
    arrays = " or ".join(dict.fromkeys(str(each) for each in allowed if each))
    words = [f"have the shape {arrays}"] if arrays else []
    return f"must {' or '.join([*words, *(['be a single number'] if () in allowed else [])])}, got {shape}."


def broken(name: str, rule: str, value: Array, bad: NDArray[np.intp], *, axes: Sequence[str], remedy: str = "") -> str:
    """Return a broken rule in words, with the entries at the places ``bad``, shape (n, axes)."""
    listed = ", ".join(entry(value, tuple(int(i) for i in where), axes) for where in bad[:MOST_LISTED])
    more = f" and {len(bad) - MOST_LISTED} more" if len(bad) > MOST_LISTED else ""
    return f"`{name}` must {rule}, got {listed}{more}.{' ' + remedy if remedy else ''}"


def entry(value: Array, where: tuple[int, ...], axes: Sequence[str]) -> str:
    """Return one entry of an array of any shape in words, for example ``0.0 at period 3, prosumer 1``.

    Args:
        value: The array.
        where: The place, an index for each axis.
        axes: What the axes run over. Axes beyond these are left out of the words.
    """
    place = ", ".join(f"{axis} {index}" for axis, index in zip(axes, where, strict=False))
    return f"{float(value[where])}" + (f" at {place}" if place else "")


def real_array(value: ArrayLike) -> NDArray[Any]:
    """Return a value of any shape as an array of real numbers of that shape; one of float64 is returned as it is, not copied.

    Raises:
        ValueError: If it holds anything else; the message goes on from the name of the value.
    """
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value  # nearly always, and days are made by the thousand
    if np.ma.is_masked(value):
        raise ValueError("must hold a number everywhere, got a masked array with some left out.")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths; tensors that need a gradient
        raise ValueError(f"must be an array of real numbers, got {type(value).__name__} ({error}).") from None
    if array.size and array.dtype.kind not in _REAL:  # an empty list has no type of its own
        what = _KINDS.get(array.dtype.kind) or f"objects ({_first_type(array)})"
        raise ValueError(f"must hold real numbers, got {what}. Convert them by astype(float), once it is clear what each means.")
    return array


def _first_type(array: NDArray[Any]) -> str:
    """Return the type of the first object that is no number, else of the first."""
    types = [type(each) for each in array.flat]
    return next((each.__name__ for each in types if not issubclass(each, int | float | np.number)), types[0].__name__)


def plain(value: Any) -> Any:
    """Return a value in JSON's own types; numbers that it has no word for become null, and what it does not know its text."""
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case list() | tuple():
            return [plain(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
