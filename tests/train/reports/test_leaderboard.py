"""What a comparison comes to: reading cells, imputing failures, the leaderboard, and the files of a report."""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from compared import SHARES, make_comparison

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.commands import report as command
from gridtoll.train.ground.text import Report
from gridtoll.train.reports.board import duels_of, leaderboard, parts_of
from gridtoll.train.reports.details import by_season, path_of, worst_days
from gridtoll.train.reports.documents import anchor, latex
from gridtoll.train.reports.figures import looks
from gridtoll.train.reports.results import Results, pack, read_results
from gridtoll.train.reports.scores import Group, groups_of
from gridtoll.train.reports.story import BANDIT, glance, tell
from gridtoll.train.reports.worst import clear_again, market_at, market_figure
from gridtoll.train.reports.writing import write_report
from gridtoll.train.statistics.intervals import interquartile_mean

N_SEEDS = 5  # with fewer there is no interval


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_comparison(tmp_path_factory.mktemp("comparison"), seeds=N_SEEDS)
    (made / "cells" / "two-prosumers" / "public" / "sac" / "9").mkdir()  # begun, and not finished
    return made


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    return read_results(folder)


@pytest.fixture(scope="module")
def group(results: Results) -> Group:
    [only] = groups_of(results)
    return only


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report")
    write_report(tell(results), out)
    return out


def reported(*arguments: str | Path) -> Report:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args([str(argument) for argument in arguments]))


def cell_of(folder: Path, name: str = "zero", seed: int = 0) -> Path:
    return folder / "cells" / "two-prosumers" / "public" / name / str(seed)


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def changed(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def rewrite(rows: Path, text: str) -> None:
    """Other rows for a cell, which says that these are the ones it was finished with."""
    rows.write_text(text)
    changed(rows.parent / "cell.json", rows_sha256=hashlib.sha256(rows.read_bytes()).hexdigest())


def test_every_cell_is_read_and_unfinished_ones_are_told_apart(results: Results) -> None:
    assert len(results.cells) == len(SHARES) * N_SEEDS
    assert [cell.key for cell in results.failed] == [("two-prosumers", "public", "sac", 1)]
    assert results.unfinished == ("two-prosumers/public/sac/9",)
    assert len(results.rows) == (len(SHARES) * N_SEEDS - 1) * 12


def test_a_failed_seed_counts_on_each_day_as_the_worst_of_all_and_never_better_than_no_charge(results: Results, group: Group) -> None:
    sac = next(each for each in group.algorithms if each.name == "sac")
    finished = results.rows[~results.rows["excluded"]]
    worst = finished.groupby(["day", "price_path"])["normalised_regret"].max().to_numpy()
    np.testing.assert_allclose(sac.normalised[1], np.maximum(worst, 1.0))
    assert (sac.normalised[1] >= 1.0).all()
    assert (sac.regret_eur[1] >= (group.days["optimum_eur"] - group.days["zero_eur"]).to_numpy() - 1e-12).all()
    own = results.rows[(results.rows["algorithm"] == "sac") & (results.rows["seed"] == 0)]
    np.testing.assert_array_equal(sac.normalised[0], own["normalised_regret"].to_numpy()[~own["excluded"].to_numpy()])


def test_failing_where_all_others_did_well_gains_nothing(tmp_path: Path) -> None:
    made = make_comparison(tmp_path, algorithms=("optimum", "supervised"), seeds=2, days=6, failed=(("supervised", 1),))
    [group] = groups_of(read_results(made))
    supervised = next(each for each in group.algorithms if each.name == "supervised")
    np.testing.assert_allclose(supervised.normalised[1], 1.0)


def test_the_leaderboard_is_computed_from_the_rows(results: Results, group: Group) -> None:
    entries = {entry.algorithm: entry for entry in leaderboard([group])}
    for name, entry in entries.items():
        rows = results.rows[(results.rows["algorithm"] == name) & ~results.rows["excluded"]]["normalised_regret"].to_numpy()
        if name != "sac":
            assert entry.iqm.centre == pytest.approx(float(interquartile_mean(rows)))
            assert entry.mean == pytest.approx(rows.mean())
        assert entry.iqm.low <= entry.iqm.centre <= entry.iqm.high
        assert (entry.seeds, entry.days) == (N_SEEDS, len(group.counted))
    assert entries["zero"].iqm.centre == pytest.approx(1.0)
    assert entries["optimum"].iqm.centre == pytest.approx(0.0, abs=1e-6)
    assert entries["optimum"].clearings == 700
    assert entries["sac"].failed == 1
    assert entries["first-order"].seconds == pytest.approx(np.mean([3.0, 4.0, 5.0, 6.0, 7.0]))
    assert [entry.iqm.centre for entry in leaderboard([group])] == sorted(entry.iqm.centre for entry in entries.values())


def test_json_rows_have_exactly_the_promised_keys(folder: Path) -> None:
    report = reported(folder)
    rows = json.loads(report.as_json())["leaderboard"]
    assert len(rows) == len(SHARES)
    for row in rows:
        assert list(row) == ["algorithm", "information_class", "community", "iqm", "ci95", "seeds", "seed_means", "days", "clearings"]
        assert row["ci95"][0] <= row["iqm"] <= row["ci95"][1]
    assert "sac, seed 1 (two-prosumers, public)" in report.text
    assert "1 cells" in report.text


def test_one_more_algorithm_leaves_the_intervals_of_the_others_as_they_were(folder: Path, tmp_path: Path) -> None:
    fewer = copied(folder, tmp_path)
    shutil.rmtree(cell_of(fewer, "random").parent)
    before = {row["algorithm"]: row for row in reported(folder).values["leaderboard"]}
    for row in reported(fewer).values["leaderboard"]:
        if row["algorithm"] != "sac":  # its failed seed counts as the worst of all, which was random's
            assert row == before[row["algorithm"]]


def test_regret_is_split_by_the_predictor_and_whoever_beats_it_is_named(group: Group) -> None:
    parts = parts_of(group)
    assert parts is not None
    assert parts.named
    assert parts.predictor == "supervised"
    iqm = {each.name: each.iqm for each in group.algorithms}
    for name, split in parts.splits.items():
        assert split.information == pytest.approx(iqm["supervised"])
        assert split.information + split.learning.centre == pytest.approx(iqm[name])
    assert "optimum" not in parts.splits
    assert (parts.splits[parts.best].learning.centre < 0) == (parts.best != "supervised")


def test_the_best_of_all_that_predict_is_the_predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHARES, "blended", 0.02)
    made = make_comparison(tmp_path, algorithms=("zero", "first-order", "supervised", "blended"), seeds=N_SEEDS, days=6, failed=())
    [group] = groups_of(read_results(made))
    parts = parts_of(group)
    assert parts is not None
    assert parts.predictor == "blended"
    assert parts.splits["supervised"].learning.centre > 0


def test_with_full_information_nothing_is_unknowable(tmp_path: Path) -> None:
    made = make_comparison(tmp_path, information=("full",), algorithms=("zero", "supervised"), seeds=N_SEEDS, days=6, failed=())
    [group] = groups_of(read_results(made))
    parts = parts_of(group)
    assert parts is not None
    assert parts.predictor == "the exact solver"
    for entry in leaderboard([group]):
        assert parts.splits[entry.algorithm].information == 0
        assert parts.splits[entry.algorithm].learning == entry.iqm


def test_every_other_leader_is_compared_with_the_best(group: Group) -> None:
    duels = duels_of(group)
    assert duels is not None
    assert duels.against == group.players[0].name
    assert set(duels.comparisons) == {each.name for each in group.players[1:]}
    for name, each in duels.comparisons.items():
        assert duels.corrected[name][0] >= each.bootstrap_p
        assert duels.corrected[name][1] >= each.sign_flip_p
    assert duels.comparisons["zero"].difference.low > 0


def test_seasons_hold_all_days_that_count(group: Group) -> None:
    found = by_season(group)
    days = found.pop("")
    assert sum(days.values()) == len(group.counted)
    for scored in group.algorithms:
        mean = sum(days[name] * value for name, value in found[scored.name].items()) / len(group.counted)
        assert mean == pytest.approx(scored.mean)


def test_regret_against_effort_is_that_of_the_policy_that_earned_most_and_begins_when_all_seeds_were_validated(group: Group) -> None:
    path = path_of(next(each for each in group.algorithms if each.name == "first-order"), "seconds")
    assert path is not None
    assert path.effort[0] == pytest.approx(0.01 * 25 + 1 + 4)  # the first validation of the slowest seed
    assert path.middle[-1] == pytest.approx(0.5 / 3 + 0.02)  # of the third validation, since the fourth earned less
    assert (path.low <= path.middle).all()
    assert (path.middle <= path.high).all()
    assert path_of(next(each for each in group.algorithms if each.name == "optimum"), "steps") is None


def test_the_worst_day_cleared_again_is_what_its_row_says(results: Results, group: Group) -> None:
    best = group.players[0]
    [place] = worst_days(group, best, 1)
    worst = clear_again(results, group, best, place)
    rows = results.rows[(results.rows["algorithm"] == best.name) & (results.rows["day"] == worst.day)]
    row = rows.iloc[int(np.argmax(rows["normalised_regret"].to_numpy()))]
    assert worst.chosen.objective_eur == pytest.approx(row["objective_eur"], rel=1e-9)
    assert worst.optimum.objective_eur == pytest.approx(row["optimum_eur"], rel=1e-9)
    assert worst.profits.max() <= worst.upper_bound_eur + 1e-9
    assert worst.profits[0] == pytest.approx(row["zero_eur"], rel=1e-9)
    means = best.normalised.mean(axis=0)
    assert int(group.counted["day"].iloc[int(np.argmax(means))]) == worst.day


def test_a_day_of_an_auction_is_drawn_with_the_prices_of_its_trades(results: Results, group: Group) -> None:
    best = group.players[0]
    [place] = worst_days(group, best, 1)
    worst = clear_again(results, group, best, place)
    market = market_at(GameSpec(community="ieee9", mechanism="call-auction"), Scenario(180, 0), 0.1)
    assert market.price_of == "trade"
    assert market.price.shape == (24,)
    assert np.isfinite(market.price[market.traded_kw > 0]).all()
    figure = market_figure(replace(worst, chosen=market, optimum=market))
    assert figure.axes[0].get_ylabel() == "mean trade price\n(EUR/kWh)"
    assert market_figure(worst).axes[0].get_ylabel() == "mean nodal price\n(EUR/kWh)"


def test_a_day_that_clears_otherwise_than_its_row_says_is_not_drawn(folder: Path, tmp_path: Path) -> None:
    results = read_results(copied(folder, tmp_path))
    results.rows["scenario_hash"] = "another"
    page = "".join(block.html() for block in tell(results).blocks)
    assert "cannot be shown: the data of two-prosumers are not those of the rows" in page


def test_the_same_folder_gives_the_same_bytes_and_another_seed_other_intervals(results: Results, written: Path, tmp_path: Path) -> None:
    again = write_report(tell(results), tmp_path)
    for path in again:
        assert path.read_bytes() == (written / path.relative_to(tmp_path)).read_bytes(), path.name
    other = leaderboard(groups_of(results), seed=1)
    assert [entry.iqm for entry in other] != [entry.iqm for entry in leaderboard(groups_of(results))]


def test_the_page_needs_nothing_beside_it_and_says_what_the_game_is(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    sources = re.findall(r'(?:src|href)="([^"]{0,26})', page)
    assert len(sources) > 10
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "<script" not in page
    assert "http" not in re.sub(r'"data:[^"]*"', "", page)
    assert BANDIT in page
    assert "contextual bandit" in (written / "report.md").read_text(encoding="utf-8")
    assert "optimality gap" not in page.lower()
    assert "the network forgot &lt;everything&gt; &amp; 100% of it" in page


def test_every_picture_has_words_for_it_and_every_table_names_its_rows_and_columns(written: Path) -> None:
    page = (written / "report.html").read_text(encoding="utf-8")
    alts = re.findall(r'<img alt="([^"]*)"', page)
    assert len(alts) == page.count("<img ")
    assert all(len(alt) > 40 for alt in alts)
    assert page.count("<th ") == page.count('scope="col"') + page.count('scope="row"')
    assert page.count("<h1") == 1
    names = re.findall(r'<h[123] id="([^"]*)"', page)
    assert len(names) == len(set(names))
    for link in re.findall(r'href="#([^"]*)"', page):
        assert link in names


def test_markdown_links_to_pictures_that_are_there(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((figures/[^)]*)\)", text)
    assert len(links) == len(list((written / "figures").iterdir()))
    assert all((written / link).is_file() for link in links)
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_latex_tables_are_escaped_and_whole(written: Path) -> None:
    text = (written / "tables.tex").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert body.count(r"\begin{table}") == body.count(r"\end{table}") == body.count(r"\toprule") > 5
    assert not re.findall(r"(?<!\\)[%#_](?![^{]*\})", re.sub(r"\\label\{[^}]*\}", "", body))
    assert r"\textless{}everything\textgreater{} \& 100\% of it" in body
    assert body.isascii()
    for row in re.findall(r"^  (?!\\)(.*) \\\\$", body, flags=re.MULTILINE):
        assert row.count(" & ") >= 1
    assert (
        latex("a_b & 5% {x} \\ ~^<>") == r"a\_b \& 5\% \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{}\textless{}\textgreater{}"
    )


def test_the_leaderboard_in_csv_has_the_numbers_in_full(results: Results, written: Path) -> None:
    with (written / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, entry in zip(rows, leaderboard(groups_of(results)), strict=True):
        assert (row["algorithm"], float(row["iqm"]), float(row["ci95_high"])) == (entry.algorithm, entry.iqm.centre, entry.iqm.high)


def test_packed_results_report_the_same_in_a_few_files(folder: Path, results: Results, written: Path, tmp_path: Path) -> None:
    finished = copied(folder, tmp_path)
    (cell_of(finished, "sac", 9)).rmdir()
    assert reported(finished, "--pack", tmp_path / "packed").exit_code == 0
    assert {path.name for path in (tmp_path / "packed").iterdir()} == {"cells.json", "config.json", "rows.csv.xz"}
    again = read_results(tmp_path / "packed")
    assert again.cells == results.cells
    assert again.rows.equals(results.rows)
    write_report(tell(again), tmp_path / "report")
    assert (tmp_path / "report" / "leaderboard.csv").read_bytes() == (written / "leaderboard.csv").read_bytes()
    pack(again, tmp_path / "twice")
    for name in ("cells.json", "config.json", "rows.csv.xz"):
        assert (tmp_path / "twice" / name).read_bytes() == (tmp_path / "packed" / name).read_bytes()


def test_the_reference_results_are_reported_like_any_others(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reported(folder, "--pack", tmp_path / "reference")
    monkeypatch.setattr(command.command, "REFERENCE", tmp_path / "reference")
    assert reported("--reference").values == reported(folder).values
    monkeypatch.setattr(command.command, "REFERENCE", tmp_path / "nothing")
    with pytest.raises(ValueError, match="not part of this installation"):
        reported("--reference")


def test_two_communities_or_classes_stand_side_by_side(tmp_path: Path) -> None:
    made = make_comparison(tmp_path, information=("full", "public"), algorithms=("zero", "supervised"), seeds=1, days=6, failed=())
    results = read_results(made)
    groups = groups_of(results)
    assert [group.slug for group in groups] == ["two-prosumers-full", "two-prosumers-public"]
    table = glance(groups, leaderboard(groups))
    assert table.header == ("algorithm", "two-prosumers, full", "two-prosumers, public")
    assert [row[0] for row in table.rows] == ["supervised", "zero"]
    assert all(len(row) == 3 and all(row) for row in table.rows)


def test_a_comparison_of_the_optimum_alone_is_reported(tmp_path: Path) -> None:
    account = tell(read_results(make_comparison(tmp_path, algorithms=("optimum",), seeds=1, days=6, failed=())))
    assert [entry.algorithm for entry in account.entries] == ["optimum"]


def test_no_two_algorithms_look_alike() -> None:
    styles = looks([f"algorithm {place}" for place in range(14)] + ["zero", "optimum", "random"])
    assert len({(str(look["color"]), str(look["marker"])) for look in styles.values()}) == 17
    assert anchor("a, B (c)") == "a-b-c"


def test_what_cannot_be_reported_is_refused_with_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the folder of a comparison, or --reference, or --reference-hourly"):
        reported()
    with pytest.raises(ValueError, match="holds no folder `cells`"):
        reported(tmp_path)
    (tmp_path / "empty" / "cells").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"at least one finished cell, got .* 0 failed and 0 unfinished"):
        reported(tmp_path / "empty")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="which is a file"):
        reported(folder, "--out", tmp_path / "file")


def test_torn_cells_are_refused(folder: Path, tmp_path: Path) -> None:
    torn = copied(folder, tmp_path)
    rows = cell_of(torn) / "rows.csv"
    whole = rows.read_bytes()
    rows.write_bytes(whole[:-40])
    with pytest.raises(ValueError, match=r"rows\.csv is not as it was written\. Delete .* and go on"):
        read_results(torn)
    rows.unlink()
    with pytest.raises(ValueError, match=r"rows\.csv is missing"):
        read_results(torn)
    rows.write_bytes(whole)
    (cell_of(torn) / "cell.json").write_text('{"schema": 1, "commu')
    with pytest.raises(ValueError, match="must be a JSON file, but is missing, cut short"):
        read_results(torn)


def test_cells_of_another_layout_game_or_days_are_refused(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path)
    marker, rows = cell_of(other) / "cell.json", cell_of(other) / "rows.csv"
    changed(marker, schema=7)
    with pytest.raises(ValueError, match="schema 1, got 7"):
        read_results(other)
    changed(marker, schema=1)
    text = rows.read_text()
    rewrite(rows, text.replace(",distance,", ",unique,"))
    with pytest.raises(ValueError, match="of one game, got tariff 'distance' and 'unique'"):
        read_results(other)
    rewrite(rows, "\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(ValueError, match=r"same days of the same data, got best-constant, seed 0, and zero, seed 0,"):
        read_results(other)
    rewrite(rows, text.replace("algorithm,", "leader,", 1))
    with pytest.raises(ValueError, match="differs in algorithm, leader"):
        read_results(other)


def test_rows_are_read_back_exactly(folder: Path, results: Results) -> None:
    with (cell_of(folder, "random", 2) / "rows.csv").open(newline="") as file:
        expected = [float(row["regret_eur"]) for row in csv.DictReader(file)]
    mine = results.rows[(results.rows["algorithm"] == "random") & (results.rows["seed"] == 2)]
    assert mine["regret_eur"].tolist() == expected
