"""The program `waypost-hub`: says so in one line when it was installed without what the hub needs."""

from __future__ import annotations

from waypost.protocol import shell


def main() -> None:
    """Entry point."""
    try:
        from waypost.hub.cli import main as run
    except ModuleNotFoundError as error:
        shell.fail(f"the hub needs {error.name}, which is not installed", shell.INSTALL_HUB_HINT)
    run()


if __name__ == "__main__":
    main()
