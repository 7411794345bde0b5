"""Power flows by name: the linear one, the AC one, and what others register."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..registry import Registry
from .ac import AcPowerFlow
from .network import Network
from .power_flow import AC, DC, DcPowerFlow, PowerFlow

POWER_FLOWS: Final[Registry[Callable[..., PowerFlow]]] = Registry("power flow")
"""Every power flow by name."""


def register_power_flow(name: str, make: Callable[..., PowerFlow]) -> None:
    """Make a power flow known under a name.

    Args:
        name: Letters, digits and hyphens: what ``power_flow`` says.
        make: Returns the power flow of a network, its one positional argument; its keyword arguments are parameters that may follow the
            name, as in ``"ac:power_factor=0.9"``.

    Raises:
        ValueError: If the name cannot be one, or another power flow has it.
    """
    POWER_FLOWS.register(name, make)


def make_power_flow(text: str, network: Network) -> PowerFlow:
    """Return the power flow of a network that a text names, such as ``"dc"`` or ``"ac:power_factor=0.9"``.

    Raises:
        ValueError: If the name is unknown, or it has no such parameter.
    """
    name, parameters = POWER_FLOWS.read(text, given=1)
    return POWER_FLOWS[name](network, **parameters)


register_power_flow(DC, DcPowerFlow)
register_power_flow(AC, AcPowerFlow)
