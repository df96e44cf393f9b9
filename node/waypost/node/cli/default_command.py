"""A group of commands of which one may be left out: `import FILE` stands for `import files FILE`."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


def default_command(name: str) -> type[TyperGroup]:
    """A group whose command of that name is meant when the first word is no command."""

    class Group(TyperGroup):
        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer brings its own Click
            if args and args[0] not in self.commands and args[0] != "--help":
                args = [name, *args]
            return super().parse_args(ctx, args)

    return Group
