"""The `resilient` command. Its subcommands are imported when they are used."""

from resilient.cli.command import main

__all__ = ["main"]
