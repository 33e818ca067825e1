"""The command line: parse, call, print.

`entry` is where every command starts and every error ends; one file for each command; `shared` what they have in
common. Everything heavy is imported inside the commands, so that `allfocus --help` answers at once.
"""

from allfocus.run.loading import loading

with loading():
    from allfocus.cli.entry import main

__all__ = ["main"]
