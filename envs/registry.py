"""What is chosen by name: each plug point has a registry, to which code outside the package adds names of its own."""

from __future__ import annotations

from typing import Generic, TypeVar

from .errors import known_name

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

    def __getitem__(self, name: str) -> Maker:
        """Return what a name stands for; errors as :meth:`known`."""
        return self._makers[self.known(name)]
