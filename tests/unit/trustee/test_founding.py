"""What the two operators do when they found a federation: compare fingerprints, admit agencies and take that back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.parties import commands

LINE = re.compile(r"^fingerprint: ((?:[0-9a-f]{4} ){7}[0-9a-f]{4})  \((this hub|the hub|this trustee|the trustee), ")
ORI, OTHER = "NY9900100", "NY9909999"


@dataclass(frozen=True)
class Founded:
    """Two homes, and what each command printed on the way."""

    hub: Path
    trustee: Path
    told: tuple[str, ...]


def found(folder: Path) -> Founded:
    hub, trustee = folder / "hub", folder / "trustee"
    public = str(trustee / "trustee.json")
    return Founded(
        hub,
        trustee,
        (
            commands.do("waypost-trustee", "init", home=trustee),
            commands.do("waypost-hub", "init", "--trustee", public, "--trustee-address", "127.0.0.1:7402", home=hub),
            commands.do("waypost-trustee", "accept", str(hub / "hub.json"), home=trustee),
        ),
    )


def prints(text: str) -> dict[str, str]:
    """Fingerprints by whose they are said to be."""
    return {match[2].split()[1]: match[1] for line in text.splitlines() if (match := LINE.match(line))}


def test_both_operators_see_the_same_two_fingerprints(tmp_path: Path) -> None:
    at = found(tmp_path)
    both = prints(at.told[1])
    assert set(both) == {"hub", "trustee"}
    assert both["hub"] != both["trustee"]
    assert prints(at.told[0]) == {"trustee": both["trustee"]}
    assert prints(at.told[2]) == {"hub": both["hub"]}
    assert prints(commands.do("waypost-hub", "status", home=at.hub)) == both
    assert prints(commands.do("waypost-trustee", "status", home=at.trustee)) == both
    facts = json.loads(commands.do("waypost-hub", "status", "--json", home=at.hub))
    assert (facts["fingerprint"], facts["trustee_fingerprint"]) == (both["hub"], both["trustee"])


@pytest.mark.parametrize("field", ["signing_key", "index_key", "ca_pem"])
def test_a_file_that_was_swapped_on_the_way_has_another_fingerprint(tmp_path: Path, field: str) -> None:
    commands.do("waypost-trustee", "init", home=tmp_path / "genuine")
    genuine = prints(commands.do("waypost-trustee", "status", home=tmp_path / "genuine"))["trustee"]
    commands.do("waypost-trustee", "init", home=tmp_path / "attacker")
    public = tmp_path / "genuine" / "trustee.json"
    content = json.loads(public.read_text())
    swapped = json.loads((tmp_path / "attacker" / "trustee.json").read_text())[field]
    received = tmp_path / "received.json"
    received.write_text(json.dumps({**content, field: swapped}))
    said = commands.do(
        *("waypost-hub", "init", "--trustee", str(received), "--trustee-address", "127.0.0.1:7402"),
        home=tmp_path / "hub",
    )
    assert prints(said)["trustee"] != genuine


def test_withdrawing_tells_what_was_open_and_refuses_what_was_not(tmp_path: Path) -> None:
    home = tmp_path / "trustee"
    commands.do("waypost-trustee", "init", home=home)
    commands.do("waypost-trustee", "admit", ORI, home=home)
    missed = commands.run("waypost-trustee", "withdraw", OTHER, home=home)
    assert missed.returncode == 1
    assert missed.stdout == ""
    assert f"no admission was open for {OTHER}" in missed.stderr
    both = commands.run("waypost-trustee", "withdraw", ORI, OTHER, home=home)
    assert both.stdout == f"Withdrew 1: {ORI}\n"
    assert both.returncode == 1
    assert commands.do("waypost-trustee", "admitted", home=home) == ""
    audit = commands.do("waypost-trustee", "audit", "--json", home=home).splitlines()
    withdrawn = [each["subject"] for each in map(json.loads, audit) if each["event"] == "admission-withdrawn"]
    assert withdrawn == [ORI]
