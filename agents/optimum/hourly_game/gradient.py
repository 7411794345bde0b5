"""The exact gradient of what a day of the hourly game earns in the charges posted, hour by hour.

Let e_t be the stored energy at hour t and W_t(e) what hours t, …, T−1 earn. The hour's clearing x_t = x(e_t, γ_t) gives profit
π_t(x_t, γ_t) and e_t+1, both functions of the tail's clearing, so one adjoint solve of the tail with the cotangent of π_t + W′_t+1·e_t+1
yields both dW/dγ_t and W′_t = dW/de_t; hours are gone through backwards. Away from kinks this is exact, at a kink it is the gradient of
one of the pieces that meet there, which a search can live with: it only believes what it has played.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....envs.account.gradient import coefficient_gradient
from ....envs.account.objective import gradient_weights
from ....envs.account.settlement_cotangent import settlement_cotangent
from ....envs.arrays import Array
from ....envs.games.hourly import Hour
from ....envs.games.setting import Setting
from ....envs.games.tail import first_hour
from ....envs.market.exact.convert import point_of
from ....envs.market.exact.derivatives.adjoint import vector_jacobians
from ....envs.market.exact.derivatives.cotangent import Cotangent, dimensionless, per_charge
from ....envs.market.exact.market_data import Structure, scale


def sequence_gradient(setting: Setting, hours: Sequence[Hour], sequence: Array) -> Array:
    """Return the derivatives of what a day earns in the charges of its hours, each of which stands until it is changed.

    Args:
        setting: What is played on.
        hours: The hours as they were carried out, from the first to the last.
        sequence: γ posted in EUR/kWh, shape (T, K).

    Returns:
        EUR per EUR/kWh, shape (T, K).

    Raises:
        ClearingError: If no derivative can be proved at an hour's clearing.
    """
    result = np.zeros(sequence.shape)
    worth = np.zeros(setting.community.n_prosumers)  # dW/de at the end of the hour, EUR/kWh
    for t in reversed(range(len(hours))):
        result[t], worth = _hour(setting, hours[t], sequence[t], worth)
    return result


def _hour(setting: Setting, played: Hour, coefficients: Array, worth: Array) -> tuple[Array, Array]:
    """Return dW/dγ of an hour, shape (K,), and dW/de at its beginning, shape (N,)."""
    tail = played.tail
    hour_day, hour = first_hour(tail, played.plan)
    weights = gradient_weights(setting.rules.objective)
    own, direct = settlement_cotangent(
        hour_day, setting.community.network, played.outcome.charges, hour, weights, flows=setting.rules.flows
    )
    cotangent = Cotangent.zeros(tail)
    for name, whole in vars(cotangent).items():
        part = getattr(own, name)
        whole[: len(part)] += part
    cotangent.stored_energy[1] += worth
    charges = np.broadcast_to(setting.tariff.charges(coefficients[None]), (tail.n_periods, tail.n_prosumers, tail.n_prosumers))
    structure = Structure.of(tail)
    data = scale(tail, charges, structure)
    slopes, start = vector_jacobians(data, point_of(data, played.plan), dimensionless(data, cotangent))
    gradient = coefficient_gradient(setting.tariff, per_charge(data, slopes)).sum(axis=0)
    gradient += coefficient_gradient(setting.tariff, direct)[0]
    before = np.where(tail.has_storage, 0.0, worth)
    before[structure.owner] = start / (data.power_unit * data.period_hours)
    return gradient, before
