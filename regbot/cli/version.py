"""version and completion: information about the command itself."""

from __future__ import annotations

import click

from regbot.cli.output import show_text
from regbot.version import __version__


@click.command()
def version() -> None:
    """Print the version."""
    show_text(f"regbot {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a completion script for a shell.

    \b
    eval "$(regbot completion bash)"                             # in ~/.bashrc
    eval "$(regbot completion zsh)"                              # in ~/.zshrc
    regbot completion fish > ~/.config/fish/completions/regbot.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    show_text(kind(ctx.find_root().command, {}, "regbot", "_REGBOT_COMPLETE").source())
