"""Homes of a hub and a trustee whose database a test fills, and the commands that their operators give."""

from __future__ import annotations

from pathlib import Path

from tests.parties import commands
from tests.parties import release_world as given
from tests.parties.compliance_world import World

from waypost.crypto.envelope import SigningKey
from waypost.crypto.keystore import Keystore
from waypost.crypto.tlog.checkpoint import Checkpoint, cosign, sign_checkpoint, with_signature
from waypost.hub import transparency
from waypost.hub.database import open_engine
from waypost.protocol.transparency import log_keys


class Operators:
    """Homes of a hub and a trustee whose database holds the synthetic world."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.hub, self.trustee = folder, folder / "hub", folder / "trustee"
        commands.do("waypost-trustee", "init", home=self.trustee)
        public = str(self.trustee / "trustee.json")
        commands.do("waypost-hub", "init", "--trustee", public, "--trustee-address", "127.0.0.1:1", home=self.hub)
        commands.do("waypost-trustee", "accept", str(self.hub / "hub.json"), home=self.trustee)
        self.population = given.population_file(folder)
        self.site = folder / "site"
        self.hub_key, self.trustee_key = (
            SigningKey.from_seed(Keystore.open(home / "keys", commands.PASSPHRASE).get("signing"))
            for home in (self.hub, self.trustee)
        )
        self.world = World(open_engine(f"sqlite:///{self.hub / 'hub.db'}"), self.hub_key, self.trustee_key)

    def build(self, *more: str) -> commands.Done:
        arguments = ("--population", str(self.population), "--source", "synthetic figures", "--as-of", given.TODAY)
        return commands.run("waypost-hub", "release", "build", str(self.site), *arguments, *more, home=self.hub)

    def verify(self, *more: str) -> commands.Done:
        return commands.run("waypost-hub", "release", "verify", str(self.site), *more, home=self.hub)

    def prove(self) -> commands.Done:
        return commands.run("waypost-hub", "release", "prove", str(self.site), home=self.hub)

    def checkpoint(self) -> None:
        """What hub and trustee do while they are served: a checkpoint over all entries with both signatures."""
        keys = log_keys(self.hub_key.public, self.trustee_key.public)
        with self.world.engine.begin() as connection:
            transparency.sequence(connection)
            size = transparency.size_of(connection)
            made = Checkpoint(keys.origin, size, transparency.root_of(connection, size))
            line = cosign(made, keys.witness.name, self.trustee_key, 1_795_000_000)
            note = with_signature(sign_checkpoint(made, self.hub_key), line)
            transparency.publish(connection, made, note, 1_795_000_000_000)

    def cosign(self) -> commands.Done:
        return commands.run("waypost-trustee", "cosign-release", str(self.site), home=self.trustee)
