"""Grids, communities, the market clearing, and the environments built on them.

Importing this package registers the environments with Gymnasium:

==========================  ==============================================================
id                          environment
==========================  ==============================================================
``gridtoll/DayAhead-v0``    :class:`DayAheadEnv`: one charge for a day, a contextual bandit
``gridtoll/Hourly-v0``      :class:`HourlyEnv`: a charge every hour, storage carried
==========================  ==============================================================

``gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0")`` needs no import at all.
"""

from __future__ import annotations

import gymnasium

from .calendar import Scenario, split_days, split_scenarios
from .clearing import Certificate, Clearing, Market, P2PMarket
from .clearing.solvers import BatchMarket, make_market
from .community import Community, make_community
from .day import Day, make_day
from .day_ahead import DayAheadEnv
from .day_ahead_vector import DayAheadVectorEnv
from .errors import ClearingError
from .grid import Grid, make_grid
from .hourly import HourlyEnv
from .hourly_vector import HourlyVectorEnv
from .network import Network, make_network
from .observation import Observer, make_observer
from .outcome import Outcome
from .settlement import Settlement, Settlements, settle, settle_many
from .sources import COMMUNITY_NAMES, export_community, load_community
from .tariff import TARIFF_NAMES, Tariff, make_tariff

__all__ = [
    "COMMUNITY_NAMES",
    "DAY_AHEAD_ID",
    "HOURLY_ID",
    "TARIFF_NAMES",
    "BatchMarket",
    "Certificate",
    "Clearing",
    "ClearingError",
    "Community",
    "Day",
    "DayAheadEnv",
    "DayAheadVectorEnv",
    "Grid",
    "HourlyEnv",
    "HourlyVectorEnv",
    "Market",
    "Network",
    "Observer",
    "Outcome",
    "P2PMarket",
    "Scenario",
    "Settlement",
    "Settlements",
    "Tariff",
    "export_community",
    "load_community",
    "make_community",
    "make_day",
    "make_grid",
    "make_market",
    "make_network",
    "make_observer",
    "make_tariff",
    "settle",
    "settle_many",
    "split_days",
    "split_scenarios",
]

DAY_AHEAD_ID = "gridtoll/DayAhead-v0"
HOURLY_ID = "gridtoll/Hourly-v0"

if DAY_AHEAD_ID not in gymnasium.registry:  # a reload would otherwise warn that it overrides itself
    gymnasium.register(
        id=DAY_AHEAD_ID,
        entry_point="gridtoll.envs.day_ahead:DayAheadEnv",
        vector_entry_point="gridtoll.envs.day_ahead_vector:DayAheadVectorEnv",
    )

if HOURLY_ID not in gymnasium.registry:
    gymnasium.register(
        id=HOURLY_ID,
        entry_point="gridtoll.envs.hourly:HourlyEnv",
        vector_entry_point="gridtoll.envs.hourly_vector:HourlyVectorEnv",
    )
