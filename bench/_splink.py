"""Splink (DuckDB) as a peer for matching: Fellegi-Sunter with weights learnt from the data, both sides in the clear.

It gets what helps Waypost: names by the same rules (letters only, the parts of compound and former family names, what a
nickname stands for), and is told what no holder knows, the share of true pairs. It learns the rest by itself, from the
very persons it is measured on: chances by random pairs, agreements by expectation maximization, the frequency of names
by counting.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from waypost.node.keys import family_forms, given_letters, given_sounds, letters, middle_letters
from waypost.node.persons import Person

RANDOM_PAIRS: Final = 2_000_000
"""From which it learns how often strangers agree."""

_SAME_INITIAL: Final = "substr(middle_l, 1, 1) = substr(middle_r, 1, 1)"
_SWAPPED: Final = "family_l = given_r and given_l = family_r"


def row_of(number: int, person: Person) -> dict[str, Any]:
    """A person as a row; what is not known is None."""
    name, born = person.names[0], person.date_of_birth
    family = sorted({form for each in person.names for form in family_forms(each.family)})
    given = sorted({sound for each in person.names for sound in given_sounds(each.given, "applicant")})
    numbers = [f"{number.kind} {number.issuer} {number.value}" for number in person.identifiers]
    return {
        "unique_id": number,
        "family": letters(name.family) or None,
        "given": given_letters(name.given) or None,
        "middle": middle_letters(name) or None,
        "dob": str(born) if born.full else None,
        "ssn": person.ssn or None,
        "number": numbers[0] if numbers else None,
        "family_forms": family or None,
        "given_forms": given or None,
    }


def _comparisons(known: set[str]) -> list[Any]:
    import splink.comparison_level_library as levels
    import splink.comparison_library as comparisons

    def name(column: str, forms: str) -> Any:  # noqa: ANN401 - Splink is skipped by mypy
        return comparisons.CustomComparison(
            output_column_name=column,
            comparison_levels=[
                levels.NullLevel(column),
                levels.ExactMatchLevel(column, term_frequency_adjustments=True),
                levels.ArrayIntersectLevel(forms, min_intersection=1),
                levels.JaroWinklerLevel(column, 0.92),
                levels.JaroWinklerLevel(column, 0.88),
                levels.CustomLevel(_SWAPPED, "names in each other's place"),
                levels.JaroWinklerLevel(column, 0.7),
                levels.ElseLevel(),
            ],
        )

    made = [
        name("family", "family_forms"),
        name("given", "given_forms"),
        comparisons.DateOfBirthComparison("dob", input_is_string=True),
    ]
    if "middle" in known:
        middle = [
            levels.NullLevel("middle"),
            levels.ExactMatchLevel("middle", term_frequency_adjustments=True),
            levels.CustomLevel(_SAME_INITIAL, "initial"),
            levels.ElseLevel(),
        ]
        made.append(comparisons.CustomComparison(output_column_name="middle", comparison_levels=middle))
    made += [comparisons.DamerauLevenshteinAtThresholds(each, 1) for each in ("ssn", "number") if each in known]
    return made


def _blocking(known: set[str]) -> list[Any]:
    from splink import block_on

    rules = [
        block_on("dob"),
        block_on("family", "given"),
        block_on("family", "substr(dob, 1, 4)"),
        block_on("given", "substr(dob, 1, 7)"),
        block_on("given", "substr(dob, 1, 4)", "substr(dob, 9, 2)"),
        *("l.family = r.given and l.given = r.family",),
    ]
    return rules + [block_on(each) for each in ("ssn", "number") if each in known]


def link(applicants: Sequence[Person], records: Sequence[Person], true_pairs: int) -> Mapping[tuple[int, int], float]:
    """Match weights (bits) of the pairs (applicant, record) that its blocking rules bring together."""
    import pandas as pd
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    logging.getLogger("splink").setLevel(logging.ERROR)
    sides = [[row_of(number, person) for number, person in enumerate(side)] for side in (applicants, records)]
    known = {column for column in sides[0][0] if all(any(row[column] for row in side) for side in sides)}
    api = DuckDBAPI()
    frames = [
        api.register(pd.DataFrame(side), dataset_display_name=title)
        for side, title in zip(sides, ("a_applicants", "b_records"), strict=True)
    ]
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=_comparisons(known),
        blocking_rules_to_generate_predictions=_blocking(known),
        probability_two_random_records_match=true_pairs / len(applicants) / len(records),
    )
    linker = Linker(frames, settings, log_level=logging.ERROR)
    linker.training.estimate_u_using_random_sampling(max_pairs=RANDOM_PAIRS, seed=1)
    for rule in (block_on("dob"), block_on("family", "given")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule, record_sample_proportion=1.0)
    found = linker.inference.predict(threshold_match_weight=-20).as_pandas_dataframe()
    ours = found["source_dataset_l"] == "a_applicants"
    assert ours.all()
    columns = (found[column].tolist() for column in ("unique_id_l", "unique_id_r", "match_weight"))
    return {(applicant, record): weight for applicant, record, weight in zip(*columns, strict=True)}
