"""``talos completion``: scripts that teach a shell the commands and flags of the program."""

import click

from talos.cli.command import Command, Failure
from talos.cli.output import write

_SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_TALOS_COMPLETE"


@click.command(
    cls=Command,
    examples=[
        'eval "$(talos completion bash)"',
        "talos completion zsh > ~/.zfunc/_talos",
        "talos completion fish > ~/.config/fish/completions/talos.fish",
    ],
)
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL", help="bash, zsh or fish.")
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"no completion for {shell}")
    # The base class of the method: bash's own first runs a bash to look at its version.
    script = kind(context.find_root().command, {}, "talos", _VARIABLE)
    write(script.source_template % script.source_vars() + "\n")
