"""Flower's three parties for bench/rounds.py, each a process of its own in Flower's environment (`.venv-peers`).

    python bench/_flower.py link                  a SuperLink; prints its address, and a run's id, task and token
    python bench/_flower.py app ADDRESS …         a ServerApp; for each line of input a round of SecAgg+, either with
                                                  the nodes ("round") or within itself ("bare")
    python bench/_flower.py nodes ADDRESS COUNT   so many nodes, a thread and connections of its own each

Everything between them is Flower's own: SuperLink and its HTTP services, the grid, the nodes' connection, SecAgg+ on
both ends, and how long each sleeps before it asks again. What is left out favours Flower: a node runs its ClientApp in
its own thread, where a SuperNode starts an interpreter for every message, and nothing is encrypted on the way. A bare
round is the arithmetic of SecAgg+ alone: the same workflow and the same clients, handed to one another as objects.
"""

from __future__ import annotations

import copy
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterable
from typing import Any

HOST = "127.0.0.1"
NODE_SLEEP_S = 3.0
"""How long a SuperNode waits before it asks again whether there is a message (flwr.supernode.start_client_internal)."""
SHARES, THRESHOLD = 3, 2
"""Of each node's key: what Flower's own example takes. More neighbours protect better and cost more."""
VECTOR = (1.5, 0.25)
"""Each node's counts, scaled into SecAgg+'s clipping range; all weigh the same."""


def link() -> None:
    """A SuperLink that serves nodes and one run, until it is ended."""
    import uvicorn
    from flwr.common.constant import NOOP_FLWR_AID
    from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
    from flwr.superlink.main import create_app

    app = create_app()
    state = app.state.linkstate_factory.state()
    run_id = state.create_run(
        *("bench/bench", "1.0.0", None, {}, NOOP_FEDERATION_ID, None, NOOP_FLWR_AID),
        primary_task_type=TaskType.SERVER_APP,
    )
    (run,) = state.get_run_info(run_ids=[run_id])
    token = state.claim_task(run.primary_task_id)
    state.activate_task(run.primary_task_id)
    threading.Thread(target=_keep, args=(state, run.primary_task_id), daemon=True).start()
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        port = listening.getsockname()[1]
        print(f"serving {HOST}:{port} {run_id} {run.primary_task_id} {token}", flush=True)
        config = uvicorn.Config(app, log_level="error", access_log=False)
        uvicorn.Server(config).run(sockets=[listening])


def _keep(state: Any, task_id: int) -> None:  # noqa: ANN401 - Flower is skipped by mypy
    """The run stays valid, also where the machine is so busy that the app's own heartbeat would come too late."""
    while state.acknowledge_task_heartbeat(task_id):
        time.sleep(NODE_SLEEP_S)


def app(address: str, run_id: int, task_id: int, token: str, count: int) -> None:
    """Wait for all nodes, then one round for each line of input."""
    from flwr.supercore.run import Run
    from flwr.supercore.task_identity import TaskIdentity
    from flwr.superlink.grid import HttpGrid

    identity: Any = TaskIdentity
    identity.task_id, identity.run_id, identity.node_id = task_id, run_id, 1
    grid = HttpGrid(address, insecure=True, token=token)
    grid.set_run(Run.create_empty(run_id))
    while len(found := list(grid.get_node_ids())) < count:
        time.sleep(0.2)
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin, start=1):
        chosen = grid if line.strip() == "round" else Within(found)
        mean = _round(chosen, number, run_id, found)
        assert all(abs(mine - true) < 1e-3 for mine, true in zip(mean, VECTOR, strict=True)), mean
        print(f"round {number} done", flush=True)


class Within:
    """A grid without a network: the clients' own code is called with the messages, one after the other."""

    def __init__(self, node_ids: list[int]) -> None:
        from flwr.app import Context, RecordDict

        self._client_app = _client_app()
        self._contexts = {
            node_id: Context(run_id=0, node_id=node_id, node_config={}, state=RecordDict(), run_config={}, series_id=0)
            for node_id in node_ids
        }

    def send_and_receive(self, messages: Iterable[Any], *, timeout: float | None = None) -> list[Any]:
        assert timeout is None
        replies = []
        for number, shared in enumerate(messages):
            message = copy.deepcopy(shared)  # one content goes to all, and each client takes parts out of his
            message.metadata.__dict__["_message_id"] = str(number)
            replies.append(self._client_app(message=message, context=self._contexts[message.metadata.dst_node_id]))
        return replies


def _round(grid: Any, number: int, run_id: int, node_ids: list[int]) -> list[float]:  # noqa: ANN401 - skipped by mypy
    """One round of SecAgg+ over all nodes: the mean of their vectors."""
    from flwr.app import ConfigRecord, Context, RecordDict
    from flwr.common import ndarrays_to_parameters, parameters_to_ndarrays
    from flwr.compat.common import recorddict_compat as compat
    from flwr.server import LegacyContext, ServerConfig, SimpleClientManager
    from flwr.server.compat.grid_client_proxy import GridClientProxy
    from flwr.server.strategy import FedAvg
    from flwr.server.workflow import SecAggPlusWorkflow
    from flwr.server.workflow.constant import MAIN_CONFIGS_RECORD, MAIN_PARAMS_RECORD, Key

    clients, count = SimpleClientManager(), len(node_ids)
    for node_id in node_ids:
        clients.register(GridClientProxy(node_id=node_id, grid=grid, run_id=run_id))
    state, zeros = RecordDict(), ndarrays_to_parameters(_vector((0.0,) * len(VECTOR)))
    state.array_records[MAIN_PARAMS_RECORD] = compat.parameters_to_arrayrecord(zeros, keep_input=True)
    state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({Key.CURRENT_ROUND: number})
    context = LegacyContext(
        Context(run_id=run_id, node_id=1, node_config={}, state=state, run_config={}, series_id=0),
        ServerConfig(num_rounds=1),
        FedAvg(fraction_fit=1.0, min_fit_clients=count, min_available_clients=count),
        clients,
    )
    SecAggPlusWorkflow(SHARES, THRESHOLD, max_weight=1.0)(grid, context)
    parameters = compat.arrayrecord_to_parameters(context.state.array_records[MAIN_PARAMS_RECORD], keep_input=True)
    return [float(part.item()) for part in parameters_to_ndarrays(parameters)]


def _vector(values: tuple[float, ...]) -> list[Any]:
    import numpy as np

    return [np.array([value]) for value in values]


def _client_app() -> Any:  # noqa: ANN401 - Flower is skipped by mypy
    from flwr.client import NumPyClient
    from flwr.client.mod import secaggplus_mod
    from flwr.clientapp import ClientApp

    class Counter(NumPyClient):  # type: ignore[misc] # Flower is skipped by mypy
        def fit(self, parameters: Any, config: Any) -> tuple[list[Any], int, dict[str, Any]]:  # noqa: ANN401, ARG002
            return _vector(VECTOR), 1, {}

    return ClientApp(client_fn=lambda _context: Counter().to_client(), mods=[secaggplus_mod])


def nodes(address: str, count: int) -> None:
    """Nodes in this process, until its input ends."""
    client_app = _client_app()
    for _ in range(count):
        threading.Thread(target=_node, args=(address, client_app), daemon=True).start()
    print("started", flush=True)
    sys.stdin.read()


def _node(address: str, client_app: Any) -> None:  # noqa: ANN401 - Flower is skipped by mypy
    """What a SuperNode does, its ClientApp included."""
    from flwr.app import Context, Message, RecordDict
    from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree
    from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree
    from flwr.supernode.fleet_http_connection import http_request_response

    with http_request_response(address, insecure=True) as connection:
        node_id, receive, send, _, _, pull, push, confirm = connection
        context = Context(run_id=0, node_id=node_id, node_config={}, state=RecordDict(), run_config={}, series_id=0)
        while True:
            if (received := receive()) is None:
                time.sleep(NODE_SLEEP_S)
                continue
            run_id, tree = received[0].metadata.run_id, received[1]
            message: Any = pull_and_inflate_object_from_tree(
                tree,
                lambda object_id, run_id=run_id: pull(run_id, object_id),
                lambda object_id, run_id=run_id: confirm(run_id, object_id),
                return_type=Message,
            )
            message.metadata.__dict__["_message_id"] = tree.object_id
            reply = client_app(message=message, context=context)
            reply.metadata.__dict__["_message_id"] = reply.object_id
            objects = get_all_nested_objects(reply)
            wanted, session = send(reply, get_object_tree(reply), 0.0)
            for object_id in wanted:
                push(run_id, session, object_id, objects[object_id].deflate())


def main() -> None:
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    logging.disable(logging.WARNING)
    what, *rest = sys.argv[1:]
    if what == "link":
        link()
    elif what == "app":
        address, run_id, task_id, token, count = rest
        app(address, int(run_id), int(task_id), token, int(count))
    else:
        nodes(rest[0], int(rest[1]))


if __name__ == "__main__":
    main()
