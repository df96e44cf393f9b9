"""A party's keys over its life: another passphrase, and a new signing key under the old one's signature."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from waypost.crypto.keystore import Keystore
from waypost.hub.demo.errors import DemoError
from waypost.hub.demo.federation import Federation
from waypost.hub.demo.members import DemoMember

pytestmark = pytest.mark.xdist_group("keys")
ORI = "CA9900100"


@pytest.fixture(scope="module")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    member = DemoMember(ORI, "Harbor Point Police Department", "CA", "agency", ())
    held = Federation(tmp_path_factory.mktemp("keys") / "federation", (member,))
    try:
        held.found()
        held.enrol(member)
        yield held
    finally:
        held.stop()


def _signing_key(federation: Federation) -> bytes:
    passphrase = federation.passphrase_file.read_text().strip()
    return Keystore.open(federation.home(ORI) / "keys", passphrase).get("signing")


def test_a_running_node_does_not_change_its_signing_key(federation: Federation) -> None:
    before = _signing_key(federation)
    with pytest.raises(DemoError, match="running in this home"):
        federation.node(ORI, "keys", "renew")
    assert _signing_key(federation) == before


def test_a_node_goes_on_under_a_new_signing_key_and_its_checks_are_accepted(federation: Federation) -> None:
    before = _signing_key(federation)
    while federation.status(ORI)["outbox"]:  # what it posts by itself when it is attached
        time.sleep(0.2)
    federation.services[ORI].stop()
    federation.node(ORI, "keys", "renew")
    assert _signing_key(federation) != before
    federation.start_node(ORI)
    check = ("check", "--family", "Nobody", "--given", "Known", "--dob", "1990-01-02", "--purpose", "hiring")
    done = federation.node(ORI, *check, "--authorization", "A-1", "--by", "TESTER", "--json")
    assert '"answered"' in done.stdout


def test_every_party_puts_its_keys_under_another_passphrase(federation: Federation, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("another passphrase of the test\n")
    old = federation.passphrase_file.read_text().strip()
    for command, party in (("waypost-hub", "hub"), ("waypost-trustee", "trustee"), ("waypost-node", ORI)):
        home = federation.home(party)
        federation.run(command, "keys", "passphrase", "--home", str(home), "--new-passphrase-file", str(new))
        assert Keystore.open(home / "keys", "another passphrase of the test").names()
        new_keystore = Keystore.open(home / "keys", "another passphrase of the test")
        new_keystore.change_passphrase("another passphrase of the test", old)


def test_an_unreadable_new_passphrase_file_changes_nothing(federation: Federation, tmp_path: Path) -> None:
    keys = federation.home("hub") / "keys"
    before = keys.read_bytes()
    arguments = ("keys", "passphrase", "--home", str(federation.home("hub")))
    with pytest.raises(DemoError, match="cannot be read"):
        federation.run("waypost-hub", *arguments, "--new-passphrase-file", str(tmp_path / "none"))
    assert keys.read_bytes() == before
