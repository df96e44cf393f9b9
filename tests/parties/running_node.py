"""A node's tasks without its process: a real store and a real link object, whose other end is a queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from tests.parties.duty_world import Party, World

from waypost.crypto.keystore import Keystore
from waypost.node import settings
from waypost.node.federation import Federation, write_federation
from waypost.node.hub_client import HubClient
from waypost.node.link import Link, LinkEvents, LinkState
from waypost.node.running import Running
from waypost.v1 import link_pb2

CLOCKED = ("running", "postal", "performing")
"""Modules that read the clock through now_ms."""


@contextmanager
def running_node(
    world: World, party: Party, patch: pytest.MonkeyPatch, client: object = None
) -> Iterator[tuple[Running, Link]]:
    """What the tasks of that member's node share, attached, at the world's time. `client` stands for the hub."""
    home = world.folder / f"home-{party.ori}"
    home.mkdir()
    write_federation(home, Federation(party.ori, "", world.hub.public, bytes(range(32)), "", b""))
    keys = {
        settings.SIGNING_KEY: party.key.seed,
        settings.SEALING_KEY: party.sealing.to_bytes(),
        settings.TLS_KEY: b"",
    }
    for module in CLOCKED:
        patch.setattr(f"waypost.node.{module}.now_ms", lambda: world.now_ms)
    node = Running(home, cast("Keystore", keys), party.store)
    node.roster = world.roster()
    node.load_policies()
    unused: Any = None
    link = Link(unused, LinkEvents(unused, unused, unused, unused))
    link.state = LinkState.ATTACHED
    node.link, node.client = link, cast("HubClient", client if client is not None else object())
    try:
        yield node, link
    finally:
        node.close()


def sent(link: Link) -> list[link_pb2.NodeFrame]:
    """What has been put on the link since it was last looked at."""
    frames: list[link_pb2.NodeFrame] = []
    while not link._outgoing.empty():
        frame = link._outgoing.get_nowait()
        if frame is not None:
            frames.append(frame)
    return frames


def policy_file(home: Path, text: str) -> None:
    """A policy file of the node's own."""
    (home / "policies").mkdir(exist_ok=True)
    (home / "policies" / "own.cedar").write_text(text)
