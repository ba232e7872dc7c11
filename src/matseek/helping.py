"""What ``--help`` shows below the options: what may be chosen, and an example."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from matseek.choices import choices_of, described, groups, settings_text
from matseek.errors import ConfigurationError
from matseek.terminal import fail, out

if TYPE_CHECKING:
    from click import Context, HelpFormatter


class Verbs(TyperGroup):
    """Commands, whose list says of each all that it does; click would cut the sentences off."""

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:  # type: ignore[override]
        """Write the list."""
        verbs = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}  # type: ignore[arg-type]
        with formatter.section("Commands"):
            formatter.write_dl([(name, (verb.help or "").strip()) for name, verb in verbs.items() if verb is not None])


class Example(TyperCommand):
    """A command whose epilogue is an example, shown as it is to be typed."""

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # noqa: ARG002
        """Write the example."""
        formatter.write_paragraph()
        formatter.write(f"Example:\n  {self.epilog}\n")


class WithChoices(Example):
    """A command that takes settings: its help lists what each group offers."""

    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:  # type: ignore[override]
        """Write the choices and the example."""
        with formatter.section("Choices (group=NAME; matseek run --choices GROUP tells more)"):
            formatter.write_dl([(group, ", ".join(choices_of(group))) for group in groups()])
        super().format_epilog(ctx, formatter)


def show_choices(wanted: str | None) -> None:
    """Tell what ``GROUP`` offers, or the settings of ``GROUP=NAME``, and end the command; nothing without a word.

    Raises:
        typer.Exit: After it was told, or refused.
    """
    if wanted is None:
        return
    group, chosen, name = wanted.partition("=")
    try:
        if chosen:
            out.print(settings_text(group, name), highlight=False, markup=False, soft_wrap=True)
        else:
            drawn = Table.grid(padding=(0, 2))
            for choice, sentence in described(group).items():
                drawn.add_row(Text(f"{group}={choice}"), Text(sentence))
            out.print(drawn)
            out.print(f"settings of one: matseek run --choices {group}=NAME", highlight=False, soft_wrap=True)
    except ConfigurationError as error:
        fail(f"error: {error}")
        raise typer.Exit(2) from error
    raise typer.Exit
