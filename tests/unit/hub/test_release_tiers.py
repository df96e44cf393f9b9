"""Publication tiers: coverage decides, to the officer, and what a tier forbids cannot be made."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from tests.parties import release_world as given
from tests.parties.compliance_world import World
from tests.parties.round_world import HUB, TRUSTEE, RoundWorld

from waypost.hub.evidence import Rosters, read_evidence
from waypost.hub.release import building
from waypost.hub.release.edition import Edition, Population
from waypost.hub.release.results import SignedResult, leading, publish
from waypost.hub.release.tiers import Count, Coverage, Percentage, Ratio, Suppressed, Tier, TierError
from waypost.protocol.round_results import open_result

pytestmark = pytest.mark.xdist_group("release-tiers")  # what they share is made once

OFFICERS = {ori: given.SIZES[ori[:2]][1] for ori in given.everybody()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return given.make_world(tmp_path_factory.mktemp("release"))


def edition_of(world: World, *results: SignedResult) -> Edition:
    day = date.fromisoformat(given.TODAY)
    with world.engine.begin() as connection:
        evidence, _ = read_evidence(Rosters(connection, world.hub.public, world.trustee.public), day)
    population = Population(given.POPULATION, "synthetic figures")
    keys = (world.hub.public, world.trustee.public)
    return building.make_edition(building.Ingredients(1, day, "", evidence, results, population, (), *keys))


def table(files: dict[str, bytes], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"data/{name}.csv"].decode())))


@pytest.mark.parametrize(
    ("covered", "tier", "missing"),
    [
        (0, Tier.PARTICIPATION, 400),
        (399, Tier.PARTICIPATION, 1),
        (400, Tier.PERCENTAGES, 200),
        (599, Tier.PERCENTAGES, 1),
        (600, Tier.RATIOS, 200),
        (799, Tier.RATIOS, 1),
        (800, Tier.ALL, 0),
        (1000, Tier.ALL, 0),
        (1100, Tier.ALL, 0),
    ],
)
def test_coverage_decides_the_tier_to_the_officer_and_says_what_is_missing(
    covered: int, tier: Tier, missing: int
) -> None:
    coverage = Coverage(covered, 1000)
    assert (coverage.tier, coverage.missing) == (tier, missing)


def test_a_share_just_below_a_threshold_never_reads_as_the_threshold() -> None:
    assert Coverage(79_999, 100_000).percent == 79.9
    assert Coverage(79_999, 100_000).tier is Tier.RATIOS


def test_an_area_whose_officers_are_unknown_shows_participation_only() -> None:
    assert Coverage(500, 0).tier is Tier.PARTICIPATION


@pytest.mark.parametrize("tier", Tier)
def test_a_cell_that_its_tier_forbids_cannot_be_made(tier: Tier) -> None:
    for least, make in (
        (Tier.ALL, lambda: Count(tier, 12, 3.0)),
        (Tier.RATIOS, lambda: Ratio(tier, 1.2, 0.3, 1000)),
        (Tier.RATIOS, lambda: Suppressed(tier)),
        (Tier.PERCENTAGES, lambda: Percentage(tier, 40.0, 2.0)),
    ):
        if tier >= least:
            make()
        else:
            with pytest.raises(TierError, match="forbids"):
                make()


def test_a_ratio_is_the_total_over_the_officers_covered_and_its_margin_likewise(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("NV",))
    shown = publish(signed, officers_of=OFFICERS, population=given.POPULATION)
    assert (shown.coverage.covered, shown.coverage.percent, shown.tier) == (270, 67.5, Tier.RATIOS)
    place = next(place for place, cell in enumerate(signed.result.cells) if not cell.suppressed)
    cell = shown.lines[place // 3].cells[place % 3]
    assert isinstance(cell, Ratio)
    assert cell.value == pytest.approx(signed.result.cells[place].total / 270 * 1000)
    assert cell.margin == pytest.approx(1.96 * 17.9 / 270 * 1000)


def test_agencies_are_counted_per_hundred_participants(world: World) -> None:
    signed = given.make_result(world, "programmes", "2025", states=("CA",))
    shown = publish(signed, officers_of=OFFICERS, population=given.POPULATION)
    cell = shown.lines[0].ratios[0]
    assert isinstance(cell, Ratio)
    assert cell.value == pytest.approx(signed.result.cells[0].total / 10 * 100)


def test_percentages_of_the_key_variable_add_up_to_the_whole(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("OR",))
    shown = publish(signed, officers_of=OFFICERS, population=given.POPULATION)
    assert (shown.tier, shown.lines, shown.changes) == (Tier.PERCENTAGES, (), ())
    assert sum(share.value for _, share in shown.shares) == pytest.approx(100)


def test_participation_only_shows_no_figure_of_any_kind(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("TX",))
    shown = publish(signed, officers_of=OFFICERS, population=given.POPULATION)
    assert (shown.tier, shown.lines, shown.shares, shown.changes) == (Tier.PARTICIPATION, (), (), ())


def test_no_file_of_a_release_holds_a_total_that_its_tier_forbids(world: World) -> None:
    results = [given.make_result(world, "records", "2023..2025", states=(state,)) for state in ("NV", "OR", "TX")]
    files = building.make_files(edition_of(world, *results))
    kinds = {row["kind"] for row in table(files, "results")}
    assert kinds - {"suppressed"} == {"ratio", "percentage"}
    assert not any(path.startswith("results/") for path in files)
    for signed in results:
        assert not any(signed.envelope.payload in content for content in files.values())
        assert signed.digest.encode() in files["measures/records.html"]


def test_a_signed_result_is_part_of_the_release_where_the_tier_shows_everything(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("CA",))
    files = building.make_files(edition_of(world, signed))
    assert files[f"results/{signed.result.round_id.hex()}.pb"] == signed.envelope.SerializeToString()
    counts = [int(row["value"]) for row in table(files, "results") if row["kind"] == "count"]
    assert counts == [cell.total for cell in signed.result.cells if not cell.suppressed]


def test_what_a_real_round_signed_is_what_the_release_shows(tmp_path: Path) -> None:
    parties = RoundWorld(tmp_path)
    asked = parties.opened("CA")
    counts = parties.counts(asked)
    closed = parties.closed(asked, counts)
    envelope = parties.cosigned(parties.result(closed, counts), closed.hub_half)
    result = open_result(envelope, hub_key=HUB.public, trustee_key=TRUSTEE.public)
    population, officers_of = {"CA": 2000}, dict.fromkeys(counts, 90)
    shown = publish(SignedResult(result, envelope), officers_of=officers_of, population=population)
    assert (shown.area, shown.coverage.percent, shown.tier) == ("CA", 90.0, Tier.ALL)
    totals = [cell for line in shown.lines for cell in line.cells]
    assert [cell.value for cell in totals if isinstance(cell, Count)] == [cell.total for cell in result.cells]
    for cell, true in zip(totals, (2000, 20_000), strict=True):
        assert isinstance(cell, Count)
        assert abs(cell.value - true) < 5 * cell.margin  # ten deviations of the noise


def test_a_result_that_closed_after_the_releases_day_is_not_in_it(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("CA",), closed_on="2026-11-25")
    assert edition_of(world, signed).leading == ()


def test_the_same_ingredients_give_the_same_bytes(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("CA",))
    assert building.make_files(edition_of(world, signed)) == building.make_files(edition_of(world, signed))


def test_the_newest_period_leads_and_the_nation_comes_first(world: World) -> None:
    results = [
        given.make_result(world, "officers-employed", "2025", states=("CA",)),
        given.make_result(world, "officers-employed", "2024", states=("CA",)),
        given.make_result(world, "officers-employed", "2024"),
    ]
    shown = [publish(one, officers_of=OFFICERS, population=given.POPULATION) for one in results]
    assert [(one.area, one.result.period.text) for one in leading(shown)] == [
        ("United States", "2024"),
        ("CA", "2025"),
    ]


def test_a_change_smaller_than_the_noise_is_called_so(world: World) -> None:
    signed = given.make_result(world, "records", "2023..2025", states=("CA",))
    changes = publish(signed, officers_of=OFFICERS, population=given.POPULATION).changes
    assert {change.verdict for change in changes} >= {"up", "down"}
    for change in changes:
        assert change.margin == pytest.approx(1.96 * 17.9 * 2**0.5)
        assert (change.verdict == "within the noise") == (abs(change.after - change.before) <= change.margin)


def test_the_data_package_describes_every_column_of_every_table(world: World) -> None:
    files = building.make_files(edition_of(world, *given.all_results(world)))
    package = json.loads(files["datapackage.json"])
    assert package["profile"] == "tabular-data-package"
    for resource in package["resources"]:
        header = files[resource["path"]].decode().splitlines()[0].split(",")
        assert header == [field["name"] for field in resource["schema"]["fields"]]
        assert all(field["description"] for field in resource["schema"]["fields"])
    document = json.loads(files["data/release.json"])
    for resource in package["resources"]:
        assert len(document[resource["name"]]) == len(files[resource["path"]].decode().splitlines()) - 1


def test_amounts_are_grouped_by_thousands_and_years_are_not(world: World) -> None:
    files = building.make_files(edition_of(world, *given.all_results(world)))
    page = files["measures/civil-judgments.html"].decode()
    assert "1,000,000 to 4,999,999" in page
    assert "10,000 to 49,999" in page
    assert "2,025" not in page
    assert "at delta 0.000001" in page


def test_timeliness_comparisons_and_silence_are_told_of_every_agency(world: World) -> None:
    files = building.make_files(edition_of(world))
    told = {row["ori"]: row for row in table(files, "agencies")}
    names = ("median_days_to_index", "p95_days_to_index", "reconciliations_agreed", "reconciliations", "silent")
    assert [told["TX9900200"][name] for name in names] == ["8-30", "181-365", "1", "1", "false"]
    assert [told["TX9900100"][name] for name in names[:2]] == ["", ""]  # too few records to say
    assert [told[given.SILENT][name] for name in names[2:]] == ["0", "0", "true"]
    assert [told["CA9900400"][name] for name in names[2:]] == ["0", "1", "false"]
    page = files["agencies/TX.html"].decode()
    assert "week: Live Oak Police Department No. 3." in page
    assert "8-30; 181-365" in page
    assert "week: none." in files["agencies/NV.html"].decode()


def test_an_agencys_name_cannot_write_into_a_page(world: World) -> None:
    world.join("NV9999900", name='<img src=x onerror="alert(1)"> Police')
    world.publish("2026-10-20")
    page = building.make_files(edition_of(world))["agencies/NV.html"]
    assert b"<img" not in page
    assert b"&lt;img src=x" in page
