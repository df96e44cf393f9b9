"""The release's data: CSV and JSON, described as a Frictionless data package (tabular, version 1).

Every column of every table stands in TABLES with its type and meaning: the dictionary that readers get is what writes
the tables, so the two cannot differ.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from waypost.hub.compliance import days_to_index
from waypost.hub.grants import LOCALE_WORDS, size_of
from waypost.hub.release.edition import Edition
from waypost.hub.release.results import Published
from waypost.hub.release.series import ratio_word
from waypost.hub.release.tiers import WORDS, Cell, Count, Coverage, Percentage, Ratio, Tier
from waypost.protocol.facts import day_of

_Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its name, its Frictionless type, and what it means."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the package, in data/NAME.csv."""

    name: str
    title: str
    fields: tuple[Field, ...]

    @property
    def path(self) -> str:
        return f"data/{self.name}.csv"


def _table(name: str, title: str, *fields: tuple[str, str, str]) -> Table:
    return Table(name, title, tuple(Field(*field) for field in fields))


TABLES: Final = (
    _table(
        "results",
        "Results of aggregate rounds, one row a published figure",
        ("measure", "string", "Name of the measure in the catalogue"),
        ("area", "string", "United States, or the states it covers"),
        ("period", "string", "The period that was asked, as 2026, 2026Q3, 2026-09 or 2017..2026"),
        (
            "year",
            "string",
            "The year within the period; empty where the measure has no years or the figure is over all",
        ),
        ("category", "string", "Value of the measure's first dimension"),
        ("subcategory", "string", "Value of its second dimension; empty where it has none or the figure is over all"),
        ("kind", "string", "count, ratio, percentage or suppressed (small, or telling a small one)"),
        ("value", "number", "The figure, noise included; empty when suppressed"),
        ("margin_95", "number", "The true figure lies within value plus or minus this with 95 % confidence"),
        ("unit", "string", "What a count is a number of, what a ratio is per, or percent; empty when suppressed"),
    ),
    _table(
        "rounds",
        "The rounds behind the results, and how private and how complete each is",
        ("measure", "string", "Name of the measure"),
        ("area", "string", "United States, or the states it covers"),
        ("period", "string", "The period that was asked"),
        ("closed_on", "date", "Day on which the round closed (UTC)"),
        ("tier", "string", "The publication tier that applies"),
        ("coverage_percent", "number", "Share of the area's officers employed by participants, rounded down"),
        ("officers_covered", "integer", "Officers employed by participants"),
        ("officers", "integer", "Officers employed in the area"),
        ("officers_missing_for_next_tier", "integer", "More officers to be covered for the next tier; 0 at the top"),
        ("participants", "integer", "Members that took part"),
        ("absent", "integer", "Members that were asked and did not"),
        ("suppressed_cells", "integer", "Cells below the bound of small cells, and those from which one would follow"),
        ("small_cell", "integer", "The bound of small cells"),
        ("epsilon", "number", "Privacy loss at delta"),
        ("delta", "number", "Probability for which epsilon does not hold"),
        ("noise_deviation", "number", "Standard deviation of the noise in one cell"),
        ("round_id", "string", "Identifier of the round, hexadecimal"),
        ("result_sha256", "string", "Digest of the payload that hub and trustee signed, hexadecimal"),
        ("signatures", "string", "Their Ed25519 signatures, hexadecimal, separated by a space"),
    ),
    _table(
        "agencies",
        "Submission and credentials of every agency",
        ("ori", "string", "Originating Agency Identifier"),
        ("name", "string", "Name"),
        ("state", "string", "Two-letter state"),
        ("size", "string", "Class by officers employed"),
        ("locale", "string", "urban, rural or unknown"),
        ("attestation", "string", "attested, nothing-to-report, late or never"),
        ("attested_quarter", "string", "The newest quarter attested; empty if none"),
        ("index_current", "boolean", "Whether its index agreed with the hub's within three days"),
        ("submits", "boolean", "Whether it submits what section 3(b) asks for"),
        ("credential", "string", "credentialed, in-process, expired, revoked, body-not-certified or none"),
        ("credential_body", "string", "The credentialing body's ORI; empty if none"),
        ("credential_until", "date", "Last day of credential or process; empty if none"),
        (
            "median_days_to_index",
            "string",
            "Days from final decision to the index, as it signs: a band; empty if unknown",
        ),
        ("p95_days_to_index", "string", "Their 95th percentile: a band; empty if unknown"),
        ("reconciliations_agreed", "integer", "Comparisons of its index with the hub's that agreed, over 90 days"),
        ("reconciliations", "integer", "Comparisons made in these days"),
        ("silent", "boolean", "Whether no comparison was made for a week"),
    ),
    _table(
        "states",
        "Submission and credentials by state",
        ("state", "string", "Two-letter state"),
        ("agencies", "integer", "Agencies that are members"),
        ("submitting", "integer", "Of these, agencies that submit"),
        ("credentialed", "integer", "Of these, agencies with a credential that counts"),
        ("in_process", "integer", "Of these, agencies with an application in process"),
        ("officers_covered", "integer", "Officers employed by agencies that submit"),
        ("officers", "integer", "Officers employed in the state"),
        ("coverage_percent", "number", "Their share, rounded down"),
    ),
    _table(
        "access",
        "Access to credentials by size and locale (section 2(d))",
        ("group", "string", "Class by officers employed, and locale"),
        ("agencies", "integer", "Agencies"),
        ("credentialed", "integer", "Of these, agencies with a credential that counts"),
        ("in_process", "integer", "Of these, agencies with an application in process"),
    ),
)


def data_files(edition: Edition, *, name: str) -> dict[str, bytes]:
    """All tables, the same as one JSON file, and the package's description, by path."""
    rows = {
        "results": list(_results(edition)),
        "rounds": [_round(each) for each in (*edition.leading, *edition.earlier)],
        "agencies": list(_agencies(edition)),
        "states": list(_states(edition)),
        "access": [
            {
                "group": one.group,
                "agencies": one.agencies,
                "credentialed": one.credentialed,
                "in_process": one.in_process,
            }
            for one in edition.access
        ],
    }
    files = {table.path: _csv(table, rows[table.name]) for table in TABLES}
    document = {"number": edition.number, "as_of": edition.as_of.isoformat(), "notice": edition.notice, **rows}
    files["data/release.json"] = _json(document)
    files["datapackage.json"] = _json(_package(edition, name))
    return files


def _results(edition: Edition) -> Iterator[_Row]:
    for published in (*edition.leading, *edition.earlier):
        common = {
            "measure": published.result.measure.name,
            "area": published.area,
            "period": published.result.period.text,
        }
        for line in published.lines:
            for column, *cells in zip(published.columns, line.cells, line.ratios or line.cells, strict=True):
                for cell in cells if line.ratios else cells[:1]:
                    yield {**common, **_place(published, line.values, column), **figure(cell, published)}
        if published.tier < Tier.RATIOS:
            for key, share in published.shares:
                yield {**common, **_place(published, key, ""), **figure(share, published)}


def _place(published: Published, values: tuple[str, ...], column: str) -> _Row:
    return {
        "year": column if published.result.measure.by_year else "",
        "category": values[0],
        "subcategory": values[1] if len(values) > 1 else "",
    }


def figure(cell: Cell, published: Published) -> _Row:
    """A cell as the table has it."""
    match cell:
        case Count():
            unit, margin = published.result.measure.things, round(cell.margin, 1)
            return {"kind": "count", "value": cell.value, "margin_95": margin, "unit": unit}
        case Ratio():
            unit, margin = ratio_word(published), round(cell.margin, 3)
            return {"kind": "ratio", "value": round(cell.value, 3), "margin_95": margin, "unit": unit}
        case Percentage():
            margin = round(cell.margin, 2)
            return {"kind": "percentage", "value": round(cell.value, 2), "margin_95": margin, "unit": "percent"}
        case _:
            return {"kind": "suppressed", "value": None, "margin_95": None, "unit": ""}


def _round(published: Published) -> _Row:
    result, coverage = published.result, published.coverage
    return {
        "measure": result.measure.name,
        "area": published.area,
        "period": result.period.text,
        "closed_on": day_of(result.closed_at_ms).isoformat(),
        "tier": WORDS[published.tier],
        **_coverage(coverage),
        "officers_missing_for_next_tier": coverage.missing,
        "participants": len(result.participants),
        "absent": len(result.absent),
        "suppressed_cells": published.suppressed,
        "small_cell": result.small_cell,
        "epsilon": result.epsilon,
        "delta": result.delta,
        "noise_deviation": result.noise_deviation,
        "round_id": result.round_id.hex(),
        "result_sha256": published.signed.digest,
        "signatures": " ".join(entry.signature.hex() for entry in published.signed.envelope.signatures),
    }


def _coverage(coverage: Coverage) -> _Row:
    return {
        "coverage_percent": coverage.percent,
        "officers_covered": coverage.covered,
        "officers": coverage.officers,
    }


def _agencies(edition: Edition) -> Iterator[_Row]:
    for decision in edition.decisions:
        standing = decision.standing
        held, index = standing.credential, standing.index
        median, p95 = days_to_index(standing.timeliness)
        yield {
            "ori": standing.agency.ori,
            "name": standing.agency.name,
            "state": standing.agency.state,
            "size": size_of(standing.officers),
            "locale": LOCALE_WORDS[standing.locale],
            "attestation": standing.attested.submission.value,
            "attested_quarter": str(standing.attested.period or ""),
            "index_current": standing.index_current,
            "submits": standing.submits,
            "credential": held.standing.value,
            "credential_body": held.body,
            "credential_until": held.until.isoformat() if held.until else None,
            "median_days_to_index": median,
            "p95_days_to_index": p95,
            "reconciliations_agreed": index.agreed,
            "reconciliations": index.compared,
            "silent": standing.silent,
        }


def _states(edition: Edition) -> Iterator[_Row]:
    for total in edition.states:
        coverage = edition.coverage.get(total.group, Coverage(0, 0))
        yield {
            "state": total.group,
            "agencies": total.agencies,
            "submitting": total.submitting,
            "credentialed": total.credentialed,
            "in_process": total.in_process,
            **_coverage(coverage),
        }


def _csv(table: Table, rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in table.fields], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()})
    return text.getvalue().encode()


def _json(content: object) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _package(edition: Edition, name: str) -> dict[str, Any]:
    resources = [
        {
            "profile": "tabular-data-resource",
            "name": table.name,
            "title": table.title,
            "path": table.path,
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "schema": {
                "fields": [
                    {"name": field.name, "type": field.type, "description": field.meaning} for field in table.fields
                ],
                "missingValues": [""],
            },
        }
        for table in TABLES
    ]
    return {
        "profile": "tabular-data-package",
        "name": name,
        "title": f"Aggregated and anonymized data, release {edition.number}",
        "description": edition.notice,
        "version": str(edition.number),
        "created": f"{edition.as_of.isoformat()}T00:00:00Z",
        "sources": [{"title": f"Officers employed by state: {edition.population.source}"}],
        "resources": resources,
    }
