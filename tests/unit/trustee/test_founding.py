"""What the two operators do when they found a federation: compare fingerprints, admit agencies and take that back."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
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


def serve(program: str, home: Path) -> tuple[int, list[str]]:
    """Serve for real, which must end by itself; exit code and the lines of standard error."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), "serve", "--home", str(home)],
        env={**os.environ, "WAYPOST_PASSPHRASE": commands.PASSPHRASE},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize("program", ["waypost-hub", "waypost-trustee"])
def test_a_port_that_is_held_is_told_in_two_lines_without_a_library_of_ours_speaking(
    tmp_path: Path, program: str
) -> None:
    at = found(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as holder:
        address = f"127.0.0.1:{holder.getsockname()[1]}"
        home = at.hub if program == "waypost-hub" else at.trustee
        file = home / "settings.toml"
        file.write_text(re.sub(r'^listen = ".*"', f'listen = "{address}"', file.read_text()))
        code, lines = serve(program, home)
    assert code == 1
    assert lines[0] == f"error: nothing can listen on {address}: address already in use"
    assert lines[1].startswith("hint: perhaps this ")
    assert len(lines) == 2


def test_serving_without_a_home_tells_how_one_is_founded(tmp_path: Path) -> None:
    missed = commands.run("waypost-hub", "serve", home=tmp_path / "nowhere")
    assert missed.returncode == 1
    assert "waypost-hub init --home DIR --trustee TRUSTEE_JSON --trustee-address HOST:PORT" in missed.stderr


@pytest.mark.parametrize("program", ["waypost-node", "waypost-hub", "waypost-trustee"])
def test_every_program_tells_its_version(program: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name(program)), "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{program} {metadata.version('waypost')}\n"


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


def kept(folder: Path) -> dict[Path, bytes]:
    """Keys, settings and public files; databases change when they are closed."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".db" not in path.name}


def test_a_home_of_another_party_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    at = found(tmp_path)
    before = kept(tmp_path)
    for command, home, said in (
        (("waypost-trustee", "status"), at.hub, "holds a hub, not a trustee"),
        (("waypost-trustee", "accept", str(at.hub / "hub.json")), at.hub, "holds a hub, not a trustee"),
        (("waypost-trustee", "serve"), at.hub, "holds a hub, not a trustee"),
        (("waypost-hub", "status"), at.trustee, "holds a trustee, not a hub"),
        (("waypost-hub", "serve"), at.trustee, "holds a trustee, not a hub"),
        (("waypost-node", "init"), at.hub, "already holds a hub"),
        (("waypost-trustee", "init"), at.hub, "already holds a hub"),
    ):
        done = commands.run(*command, home=home)
        assert done.returncode == 1
        assert said in done.stderr
    assert kept(tmp_path) == before
