"""The processes that hold the clients, as country.py sees them: a command to all, and all their answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).with_name("_country_clients.py")


@dataclass
class Fleets:
    """`count` processes; members are dealt out to them in turn."""

    settings: dict[str, Any]
    count: int
    log: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("w") as sink:
            for share in range(self.count):
                process = subprocess.Popen(
                    [sys.executable, str(PROGRAM)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=sink,
                    text=True,
                )
                self.processes.append(process)
                self._write(process, {**self.settings, "share": share, "of": self.count})
        self._answers(self.processes)

    def all(self, command: str, **arguments: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
        """Give a command to every process at the same time."""
        for process in self.processes:
            self._write(process, [command, arguments])
        return self._answers(self.processes)

    def one(self, command: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Give a command to the first process alone."""
        return self.to(self.processes[0], command, **arguments)

    def to(self, process: subprocess.Popen[str], command: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Give a command to one process."""
        self._write(process, [command, arguments])
        return self._answers([process])[0]

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    @staticmethod
    def _write(process: subprocess.Popen[str], message: object) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()

    def _answers(self, processes: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
        answers = []
        for process in processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                sys.exit(f"error: a process of clients ended\n{self.log.read_text()[-2000:]}")
            answers.append(json.loads(line))
        return answers


def attached(answers: Sequence[dict[str, Any]]) -> int:
    return sum(int(answer["attached"]) for answer in answers)


def merged(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lists one after the other, counts added, the longest time, errors by kind."""
    whole: dict[str, Any] = {}
    for answer in answers:
        for name, value in answer.items():
            if name == "seconds":
                whole[name] = max(whole.get(name, 0.0), value)
            elif isinstance(value, dict):
                kinds = whole.setdefault(name, {})
                for kind, count in value.items():
                    kinds[kind] = kinds.get(kind, 0) + count
            else:
                whole[name] = whole[name] + value if name in whole else value
    return whole
