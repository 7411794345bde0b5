"""What is chosen by name: each plug point has a registry, to which code outside the package adds names of its own."""

from __future__ import annotations

import inspect
from typing import Any, Generic, TypeVar

from .errors import known_name, unknown_name
from .written import number

Maker = TypeVar("Maker")


class Registry(Generic[Maker]):
    """What makes a thing of one kind, by name.

    Args:
        kind: What is made, in words: ``"power flow"``. The argument that names one is called alike, with underscores.
    """

    def __init__(self, kind: str) -> None:
        self._kind, self._makers = kind, dict[str, Maker]()

    def register(self, name: str, make: Maker) -> None:
        """Make something known under a name.

        Args:
            name: Letters, digits and hyphens.
            make: What makes it.

        Raises:
            ValueError: If the name cannot be one, or something else has it.
        """
        if not name.replace("-", "").isalnum():
            raise ValueError(f"a {self._kind}'s name must be of letters, digits and hyphens, got {name!r}.")
        if self._makers.get(name, make) is not make:
            raise ValueError(f"each {self._kind} must have a name of its own, got {name!r} for {make!r} beside {self._makers[name]!r}.")
        self._makers[name] = make

    def names(self) -> tuple[str, ...]:
        """Return every name."""
        return tuple(self._makers)

    def known(self, name: str) -> str:
        """Return a name that is known.

        Raises:
            ValueError: If it is not.
        """
        return known_name(f"`{self._kind.replace(' ', '_')}`", name, self.names())

    def read(self, text: str, *, given: int = 0) -> tuple[str, dict[str, Any]]:
        """Return a known name and the parameters that follow it, as in ``"name:rounds=50"``; what reads as a number is one.

        Args:
            text: What came.
            given: How many arguments of what makes it are no parameters.

        Raises:
            ValueError: If the name is not known, or has no such parameter, or one is not written ``name=value``.
        """
        name, _, rest = text.partition(":")
        make: Any = self[name]
        known = list(inspect.signature(make).parameters)[given:]
        parameters: dict[str, Any] = {}
        for part in rest.split(",") if rest else ():
            key, equals, value = part.partition("=")
            if not (key.isidentifier() and equals and value) or key in parameters:
                raise ValueError(
                    f"parameters of a {self._kind} must be written once each, as in {name}:rounds=50,tolerance=1e-6, got {text!r}."
                )
            if key not in known:
                raise unknown_name(f"a parameter of {self._kind} {name!r}", key, known or ("none",))
            parameters[key] = _value(value)
        return name, parameters

    def __getitem__(self, name: str) -> Maker:
        """Return what a name stands for; errors as :meth:`known`."""
        return self._makers[self.known(name)]


def _value(text: str) -> float | int | str:
    try:
        value = number(text)
    except ValueError:
        return text
    return int(value) if text.lstrip("+-").isdigit() else value
