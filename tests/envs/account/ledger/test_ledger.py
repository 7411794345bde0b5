"""The ledger: what is changed is found and located, accounts that do not add up are named though they are signed, receipts stand alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridtoll.envs.account.ledger import (
    append_days,
    load_private_key,
    load_public_key,
    new_key,
    receipt_of,
    verify_ledger,
    verify_receipt,
    write_ledger,
)
from gridtoll.envs.account.ledger.canonical import hash_of, line_of, read_line
from gridtoll.envs.account.ledger.merkle import leaf_hash, root_of
from gridtoll.envs.account.ledger.statements import Book, SettledDay
from gridtoll.envs.account.ledger.writing import sealed
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.commands import ledger as command
from gridtoll.train.task import environment_of, market_of

DAYS = (178, 179, 180)


def settled(task: GameSpec, number: int, charge: float = 0.2) -> SettledDay:
    setting = environment_of(task).setting
    day = setting.day_of(Scenario(number, 0))
    action = np.full(setting.n_charges, charge)
    played = setting.transition(market_of(task), day, action)
    return SettledDay(
        day=day,
        date=setting.community.date(number).isoformat(),
        price_path=0,
        coefficients=setting.read(action),
        clearing=played.clearing,
        settlement=played.settlement,
    )


def book_of(task: GameSpec) -> Book:
    return command.book_of(task, {"gridtoll": "test", "commit": None})


SMALL = GameSpec(community="ieee9")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ledger")
    new_key(folder / "operator.pem")
    write_ledger(folder / "days.ledger", book_of(SMALL), (settled(SMALL, day) for day in DAYS), load_private_key(folder / "operator.pem"))
    return folder


@pytest.fixture
def lines(folder: Path) -> list[bytes]:
    return (folder / "days.ledger").read_bytes().splitlines(keepends=True)


def faults_of(tmp_path: Path, content: bytes | list[bytes], **options: Any) -> list[tuple[int, str]]:
    path = tmp_path / "changed.ledger"
    path.write_bytes(content if isinstance(content, bytes) else b"".join(content))
    return [(fault.line, fault.text) for fault in verify_ledger(path, **options).faults]


def test_a_ledger_holds_and_its_clearings_are_proved_from_what_is_written(folder: Path) -> None:
    found = verify_ledger(folder / "days.ledger", public_key=load_public_key(folder / "operator.pem"))
    assert (found.faults, found.days, found.statements, found.proved) == ((), 3, 27, 3)
    assert found.greatest_gap < 1e-11


def test_the_same_days_and_key_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    key = load_private_key(folder / "operator.pem")
    head = write_ledger(tmp_path / "again.ledger", book_of(SMALL), [settled(SMALL, day) for day in DAYS], key)
    assert (tmp_path / "again.ledger").read_bytes() == (folder / "days.ledger").read_bytes()
    assert head == verify_ledger(folder / "days.ledger").head


def test_days_added_later_give_the_same_ledger(folder: Path, tmp_path: Path) -> None:
    key, path = load_private_key(folder / "operator.pem"), tmp_path / "grown.ledger"
    write_ledger(path, book_of(SMALL), [settled(SMALL, DAYS[0])], key)
    for day in DAYS[1:]:
        append_days(path, book_of(SMALL), [settled(SMALL, day)], key)
    assert path.read_bytes() == (folder / "days.ledger").read_bytes()
    with pytest.raises(ValueError, match="must be added to a ledger of the same flows"):
        append_days(path, book_of(SMALL.changed(flows="injections")), [settled(SMALL, DAYS[0])], key)
    with pytest.raises(ValueError, match="at least one day, got none"):
        append_days(path, book_of(SMALL), [], key)
    assert path.read_bytes() == (folder / "days.ledger").read_bytes(), "nothing is half-written"


@pytest.mark.parametrize(
    "task",
    [
        SMALL.changed(flows="injections"),
        SMALL.changed(tariff="zonal"),
        SMALL.changed(charges_per="hour"),
        SMALL.changed(mechanism="call-auction"),
        GameSpec(community="two-prosumers", import_fee=0.05),
    ],
    ids=lambda task: " ".join(map(str, task.told().values())),
)
def test_ledgers_of_other_games_hold(folder: Path, tmp_path: Path, task: GameSpec) -> None:
    path = tmp_path / "other.ledger"
    write_ledger(path, book_of(task), [settled(task, 180, 0.1)], load_private_key(folder / "operator.pem"))
    found = verify_ledger(path)
    assert found.faults == ()
    assert found.proved == (task.mechanism == "exact"), "an auction's prices are of trades and prove no optimum"


def test_any_changed_byte_is_found_in_its_line(tmp_path: Path, lines: list[bytes]) -> None:
    content, random = b"".join(lines), np.random.default_rng(5)
    ends = np.cumsum([len(line) for line in lines])
    places = [*random.integers(0, len(content), 60), *random.choice(ends - 1, 15, replace=False)]
    for at in places:
        for new in (int(random.integers(256)), ord("\n"), content[at] ^ 1):
            if content[at] == new:
                continue
            line = int(np.searchsorted(ends, at, side="right")) + 1
            changed = content[:at] + bytes([new]) + content[at + 1 :]
            try:
                found = {fault for fault, _ in faults_of(tmp_path, changed)}
            except ValueError as error:
                assert line == 1 and "line 1" in str(error)  # noqa: PT017, PT018 - the line that says what the file is
                continue
            assert line in found, f"byte {at} of line {line} became {bytes([new])!r}"
            assert len(found) <= 3, "other days are not blamed"


def test_days_left_out_moved_or_cut_off_are_missed(tmp_path: Path, lines: list[bytes], folder: Path) -> None:
    opening, first, second, third = lines[:1], lines[1:13], lines[13:25], lines[25:37]
    assert len(lines) == 37
    assert any("a day is missing" in text for _, text in faults_of(tmp_path, [*opening, *first, *third]))
    assert any("a day is missing, moved" in text for _, text in faults_of(tmp_path, [*opening, *first, *third, *second]))
    assert any("a day is missing, moved or put in" in text for _, text in faults_of(tmp_path, [*opening, *first, *first, *second, *third]))
    assert any("a day is missing" in text for _, text in faults_of(tmp_path, [*opening, *second, *third]))
    head = verify_ledger(folder / "days.ledger").head
    assert faults_of(tmp_path, lines, head=head) == []
    assert faults_of(tmp_path, [*opening, *first]) == [], "what is cut off the end cannot be missed without the head"
    [(_, text)] = faults_of(tmp_path, [*opening, *first], head=head)
    assert "days are missing, or others" in text
    assert faults_of(tmp_path, opening) == [(2, "must follow the opening, got the end of the file")]


def test_a_forger_without_the_key_is_found_though_all_hashes_fit(tmp_path: Path, lines: list[bytes], folder: Path) -> None:
    new_key(tmp_path / "forger.pem")
    forged = changed_and_sealed(lines, load_private_key(tmp_path / "forger.pem"), partial(_raise, path=("account", "bill_eur")))
    assert any("signed with the operator's key" in text for _, text in faults_of(tmp_path, forged))
    opening = {**read_line(lines[0]), "public_key": load_public_key(tmp_path / "forger.pem")}
    texts = [text for _, text in faults_of(tmp_path, [line_of(opening), *lines[1:]], public_key=load_public_key(folder / "operator.pem"))]
    assert any("must name the key" in text for text in texts)


def _raise(content: dict[str, Any], *, path: tuple[str | int, ...], by: float = 1e-6) -> None:
    """Add to one number of a content."""
    inner: Any = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] += by


def changed_and_sealed(lines: list[bytes], key: Any, change: Callable[[dict[str, Any]], None], row: int = 2) -> list[bytes]:
    """Return the ledger of the first day alone with a line changed, hashed and sealed anew: what an operator could do who cheats."""
    body = list(lines[1:11])
    content = read_line(body[row - 1])
    change(content)
    body[row - 1] = line_of(content)
    leaves = [leaf_hash(line) for line in body]
    listed = line_of({**read_line(lines[11]), "hashes": [leaf.hex() for leaf in leaves]})
    seal = {**read_line(lines[12]), "root": root_of(leaves).hex()}
    seal.pop("signature")
    return [lines[0], *body, listed, sealed(seal, key)]


PERIOD = 12
CHEATS = {
    "a bill": (("account", "bill_eur"), "`bill_eur` must be"),
    "what was received": (("account", "received_eur"), "`received_eur` must be"),
    "a charge": (("account", "charge_eur"), "`charge_eur` must be"),
    "a surplus": (("account", "surplus_eur"), "`surplus_eur` must be"),
    "retail": (("account", "retail_eur"), "`retail_eur` must be"),
    "demand": (("outcome", "demand", PERIOD), "power in and out must be equal"),
    "imports": (("outcome", "grid_import", PERIOD), "power in and out must be equal"),
    "a trade's power": (("sold", "kw", 0), "must stand in the statement of prosumer"),
    "a trade's price": (("sold", "price", 0), "must stand in the statement of prosumer"),
    "a trade's charge": (("sold", "charge", 0), "must be charged as the tariff says"),
    "a retail price": (("data", "import_price", PERIOD), "must be the optimum|`retail_eur` must be"),
    "a utility": (("data", "utility_slope", PERIOD), "`surplus_eur` must be"),
    "a price of power": (("outcome", "nodal_price", PERIOD), "must be the optimum"),
}


@pytest.mark.parametrize(("path", "text"), CHEATS.values(), ids=CHEATS)
def test_a_statement_that_does_not_add_up_is_named_though_it_is_signed(
    tmp_path: Path, lines: list[bytes], folder: Path, path: tuple[str | int, ...], text: str
) -> None:
    key = load_private_key(folder / "operator.pem")
    rows = [row for row in range(2, 11) if path[0] != "sold" or read_line(lines[row])["sold"]["kw"]]
    found = faults_of(tmp_path, changed_and_sealed(lines, key, partial(_raise, path=path, by=1e-3), rows[0]))
    assert found
    assert any(part in told for _, told in found for part in text.split("|")), found


@pytest.mark.parametrize("name", ["profit_eur", "revenue_eur", "import_fee_eur", "loss_cost_eur", "overload_cost_eur", "loss_kwh"])
def test_an_operators_account_that_does_not_add_up_is_named(tmp_path: Path, lines: list[bytes], folder: Path, name: str) -> None:
    key = load_private_key(folder / "operator.pem")
    found = faults_of(tmp_path, changed_and_sealed(lines, key, partial(_raise, path=("operator", name), by=0.1), 1))
    assert any(f"`{name}` must be" in told for _, told in found), found


def test_a_charge_that_was_not_posted_is_named_by_each_who_traded(tmp_path: Path, lines: list[bytes], folder: Path) -> None:
    key = load_private_key(folder / "operator.pem")
    found = faults_of(tmp_path, changed_and_sealed(lines, key, partial(_raise, path=("charge", PERIOD, 0), by=1e-3), 1))
    assert any("must be charged as the tariff says" in told for _, told in found)


def test_a_receipt_can_be_verified_alone_and_shows_nothing_of_the_others(folder: Path) -> None:
    path, public = folder / "days.ledger", load_public_key(folder / "operator.pem")
    for prosumer in (0, 8):
        receipt = receipt_of(path, day=1, prosumer=prosumer)
        own, faults = verify_receipt(receipt, public_key=public)
        assert faults == ()
        assert (own["prosumer"], own["date"]) == (prosumer, environment_of(SMALL).setting.community.date(DAYS[1]).isoformat())
        text = receipt.decode()
        for line in path.read_bytes().splitlines(keepends=True)[13:25]:
            other = read_line(line)
            if other["kind"] == "statement" and other["prosumer"] != prosumer:
                assert other["salt"] not in text
                assert json.dumps(other["data"]["demand_max"], separators=(",", ":")) not in text


def test_any_changed_byte_of_a_receipt_is_found(folder: Path) -> None:
    receipt, random = receipt_of(folder / "days.ledger", day=2, prosumer=4), np.random.default_rng(6)
    for at in random.integers(0, len(receipt), 150):
        changed = receipt[:at] + bytes([receipt[at] ^ int(random.integers(1, 256))]) + receipt[at + 1 :]
        try:
            _, faults = verify_receipt(changed)
        except ValueError:
            continue
        assert faults, f"byte {at}"


def test_a_receipt_of_another_signer_or_day_is_refused(folder: Path, tmp_path: Path) -> None:
    new_key(tmp_path / "other.pem")
    receipt = receipt_of(folder / "days.ledger", day=0, prosumer=1)
    _, faults = verify_receipt(receipt, public_key=load_public_key(tmp_path / "other.pem"))
    assert [fault.text for fault in faults] == [
        f"it must be signed with the key {load_public_key(tmp_path / 'other.pem')}, got {load_public_key(folder / 'operator.pem')}"
    ]
    mixed = {**read_line(receipt), "seal": read_line(receipt_of(folder / "days.ledger", day=1, prosumer=1))["seal"]}
    assert verify_receipt(line_of(mixed))[1]
    with pytest.raises(ValueError, match=r"must be one of the 3 in .*, from 0 to 2, got 7"):
        receipt_of(folder / "days.ledger", day=7, prosumer=1)
    with pytest.raises(ValueError, match="must be a number from 0 to 8, got 9"):
        receipt_of(folder / "days.ledger", day=0, prosumer=9)


def test_keys_are_private_and_never_overwritten(tmp_path: Path) -> None:
    public = new_key(tmp_path / "key.pem")
    assert (tmp_path / "key.pem").stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError, match="must have a new file"):
        new_key(tmp_path / "key.pem")
    assert load_public_key(tmp_path / "key.pem") == public
    (tmp_path / "public.txt").write_text(public + "\n")
    assert load_public_key(tmp_path / "public.txt") == public
    (tmp_path / "none.pem").write_text("no key")
    with pytest.raises(ValueError, match="must be an unencrypted private key in PEM"):
        load_private_key(tmp_path / "none.pem")
    with pytest.raises(ValueError, match="must be a public key in PEM, or its 64 hexadecimal digits"):
        load_public_key(tmp_path / "none.pem")


def test_other_files_are_no_ledgers(tmp_path: Path) -> None:
    for content in (b"", b"text\n", b"{}\n", b'{"kind":"ledger","format":99}\n', b'{"kind":"ledger","format":1}\n'):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match="must"):
            verify_ledger(tmp_path / "file")


def test_a_hash_is_of_the_whole_line(lines: list[bytes]) -> None:
    assert read_line(lines[1])["ledger"] == hash_of(lines[0])
    assert read_line(lines[24])["previous"] == hash_of(lines[12])
