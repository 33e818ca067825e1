"""Plain help, its options in their groups: made without rich, which takes longer to load than all the rest."""

from typing import Any

from typer.core import TyperCommand


class PlainCommand(TyperCommand):
    """A command whose help lists options by group, as `rich_help_panel` names them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, then options by group; those without a group first."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence of the help, all of it: the list of commands folds it."""
        return (self.help or "").partition("\n\n")[0].replace("\n", " ")
