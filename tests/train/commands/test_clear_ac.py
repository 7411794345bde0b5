"""``gridtoll clear --power-flow ac``: what tools read by name."""

from __future__ import annotations

import json
from typing import Any, Final

import gymnasium
import pytest

from gridtoll.envs.account.physical import INFO_OF_WIRES
from gridtoll.train.cli import main

OF_AC: Final = {
    "voltage_min_pu": float,
    "voltage_min_bus": str,
    "voltage_min_period": int,
    "voltage_max_pu": float,
    "voltage_max_bus": str,
    "voltage_max_period": int,
    "ac_loss_kwh": float,
    "ac_loss_lines_kwh": float,
    "ac_loss_transformers_kwh": float,
    "line_loading": float,
    "transformer_loading": float,
    "loaded_branch": str,
    "loaded_period": int,
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main([*arguments, "--json"]) == 0
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_the_contract_of_clear_under_ac_has_every_key_and_peak_loading_is_that_of_ac(capsys: pytest.CaptureFixture[str]) -> None:
    """What tools read by name: keys stay, and so do their meanings."""
    asked = ("clear", "--community", "simbench-rural", "--day", "180", "--charge", "0.3", "--flows", "injections")
    values, linear = printed(capsys, *asked, "--power-flow", "ac"), printed(capsys, *asked)
    assert set(values) - set(linear) == {"loss_kwh", "peak_loading", "network_secure", *OF_AC}
    assert set(linear) <= set(values)
    env: Any = gymnasium.make("gridtoll.envs:gridtoll/DayAhead-v0", flows="injections", power_flow="ac", charge_cap=1.0).unwrapped
    env.reset(options={"day": 180, "price_path": 0})
    info = env.step([0.3])[4]
    assert set(OF_AC) <= set(info)
    assert set(OF_AC) == set(INFO_OF_WIRES)
    for name, kind in OF_AC.items():
        assert type(values[name]) is kind
        assert values[name] == info[name] if kind is not float else values[name] == pytest.approx(info[name], rel=1e-6)
    assert values["peak_loading"] == max(values["line_loading"], values["transformer_loading"]) == pytest.approx(1.147, abs=0.001)
    assert values["ac_loss_kwh"] == pytest.approx(23.87, abs=0.01), "iron losses of about 11 kWh included"
    assert values["ac_loss_kwh"] > values["loss_kwh"] + 10.0
    assert not values["network_secure"]
