"""Pictures show what the settlement says, in colour, size and number."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from builders import kernel, pair_day, pair_network, random_basis, random_day, random_network
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from gridtoll.envs.account.settlement import settle
from gridtoll.envs.adapters.pictures.day_ahead import Window, draw_day, picture
from gridtoll.envs.community.day import Day
from gridtoll.envs.games.transition import Outcome
from gridtoll.envs.grid.network import Network, make_network


def outcome_of(day: Day, network: Network, level: float = 0.02) -> Outcome[Any]:
    """What a charge by some basis leads to."""
    charges = np.broadcast_to(level * random_basis(1, day.n_prosumers), (day.n_periods, day.n_prosumers, day.n_prosumers))
    clearing = kernel().clear(day, charges)
    settlement = settle(day, network, np.array(charges), clearing)
    return Outcome(charge=np.array([level]), charges=np.array(charges), clearing=clearing, settlement=settlement)


def drawn(day: Day, network: Network, outcome: Outcome[Any] | None) -> Figure:
    """The figure of a day."""
    figure = Figure()
    draw_day(figure, network, day, "A day", outcome)
    return figure


def scatters(figure: Figure) -> list[PathCollection]:
    """What was drawn of prosumers, buses and the slack bus, in that order."""
    return [artist for artist in figure.axes[0].collections if isinstance(artist, PathCollection)]


def texts(figure: Figure) -> set[str]:
    """Every word of a figure."""
    return {artist.get_text() for artist in figure.findobj(lambda artist: hasattr(artist, "get_text")) if artist.get_text()}  # type: ignore[attr-defined]


def test_line_colours_are_the_loading_of_the_peak_hour_and_widths_rise_with_it() -> None:
    day, network = random_day(1), random_network(1)
    outcome = outcome_of(day, network)
    figure = drawn(day, network, outcome)
    (lines,) = [artist for artist in figure.axes[0].collections if isinstance(artist, LineCollection)]
    loading = 100.0 * np.abs(outcome.settlement.flow_kw) / network.grid.branch_limit_kw
    peak = int(loading.max(axis=1).argmax())
    np.testing.assert_allclose(np.asarray(lines.get_array()), loading[peak])
    assert (np.diff(np.array(lines.get_linewidth())[np.argsort(loading[peak])]) >= 0).all()
    assert any(f"{peak:02d}:00" in text for text in texts(figure))


def test_prosumers_are_coloured_and_sized_by_what_they_sold_on_balance() -> None:
    day, network = random_day(1), random_network(1)
    outcome = outcome_of(day, network)
    prosumers = scatters(drawn(day, network, outcome))[0]
    sold = day.period_hours * outcome.clearing.traded_kw.sum(axis=0)
    np.testing.assert_allclose(np.asarray(prosumers.get_array()), sold)
    np.testing.assert_array_equal(np.argsort(prosumers.get_sizes()), np.argsort(np.abs(sold)))
    np.testing.assert_allclose(np.asarray(prosumers.get_offsets()), network.grid.bus_position[network.prosumer_bus])


def test_the_title_names_charge_and_profit_once_there_is_an_outcome() -> None:
    day, network = random_day(1), random_network(1)
    outcome = outcome_of(day, network)
    profit = f"{outcome.settlement.profit_eur:,.2f}"
    assert f"A day: a charge of 0.02 EUR/kWh earns {profit} EUR" in texts(drawn(day, network, outcome))
    assert "A day" in texts(drawn(day, network, None))
    hourly = Outcome(charge=np.array([0.1, 0.3]), charges=outcome.charges, clearing=outcome.clearing, settlement=outcome.settlement)
    assert f"A day: a charge of 0.1 to 0.3 EUR/kWh earns {profit} EUR" in texts(drawn(day, network, hourly))


def test_prosumers_at_one_bus_are_drawn_side_by_side() -> None:
    network = make_network(random_network(1).grid, [1, 1, 1, 2, 3])
    at = np.asarray(scatters(drawn(random_day(1), network, None))[0].get_offsets())
    assert len(np.unique(at.round(9), axis=0)) == 5


def test_many_prosumers_go_without_numbers() -> None:
    few, many = (texts(drawn(random_day(1, n=n, periods=2), random_network(1, n=n), None)) for n in (5, 46))
    assert {"0", "1", "4"} <= few
    assert "45" not in many


def test_communities_of_megawatts_are_read_in_megawatts() -> None:
    day = pair_day(
        demand_max=np.full((1, 2), 1e4),
        utility_curvature=[[2e-4, 1e-4]],
        renewable=[[6e3, 0.0]],
        import_limit=2e4,
        export_limit=2e4,
        grid_friction=3e-5,
        trade_limit=2e4,
        trade_friction=4e-5,
    )
    figure = drawn(day, pair_network(), outcome_of(day, pair_network()))
    words = " ".join(texts(figure))
    assert "Power of the community in MW" in words
    assert "MWh" in words


@pytest.mark.parametrize("traded", [True, False])
def test_a_picture_is_an_array_of_colours_whether_or_not_anything_was_traded(traded: bool) -> None:
    day, network = random_day(1, trade_limit=5.0 if traded else 0.0), random_network(1)
    before, after = picture(network, day, "A day"), picture(network, day, "A day", outcome_of(day, network))
    for pixels in (before, after):
        assert pixels.dtype == np.uint8
        assert pixels.shape == (640, 1200, 3)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(before, picture(network, day, "A day"))


def test_drawing_changes_no_settings_of_matplotlib() -> None:
    before: dict[Any, Any] = dict(mpl.rcParams)
    picture(random_network(1), random_day(1), "A day")
    assert dict(mpl.rcParams) == before


def test_a_window_draws_day_after_day_into_one_figure_and_closes() -> None:
    day, network = random_day(1), random_network(1)
    window = Window()
    window.show(network, day, "A day", None)
    window.show(network, day, "The same day", outcome_of(day, network))
    assert plt.get_fignums() == [window.figure.number]
    assert any(text.startswith("The same day") for text in texts(window.figure))
    window.close()
    window.close()
    assert not plt.get_fignums()


def test_sellers_and_buyers_are_told_apart_without_red_and_green() -> None:
    day, network = random_day(1), random_network(1)
    prosumers = scatters(drawn(day, network, outcome_of(day, network)))[0]
    sold = np.asarray(prosumers.get_array())
    prosumers.update_scalarmappable()
    colours = np.array([to_rgba(colour) for colour in prosumers.get_facecolors()])  # type: ignore[attr-defined]
    seller, buyer = colours[sold.argmax()], colours[sold.argmin()]
    assert seller[0] > seller[2]  # orange
    assert buyer[2] > buyer[1]  # purple
