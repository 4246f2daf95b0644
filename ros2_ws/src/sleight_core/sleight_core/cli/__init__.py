"""The `sleight` command: finds each room's commands through entry points and loads only the one called."""

from sleight_core.cli.main import main

__all__ = ["main"]
