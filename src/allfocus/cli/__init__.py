"""The command line: parse, call, print.

`entry` is where every command starts and every error ends; one file for each command; `shared` what they have in
common. Everything heavy is imported inside the commands, so that `allfocus --help` answers at once.
"""

from collections.abc import Sequence

from allfocus.run.loading import loading
from allfocus.run.streams import say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, see `entry.main`; Ctrl-C while it is still being loaded ends it as quietly as later."""
    try:
        with loading():
            from allfocus.cli import entry
    except KeyboardInterrupt:
        say("interrupted", err=True)
        return 130
    return entry.main(arguments)
