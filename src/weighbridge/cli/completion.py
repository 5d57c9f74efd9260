"""The command that prints a shell's completion of the program's commands and options: completion."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

from weighbridge.cli.command_groups import GROUPS, PLUMBING, examples, summary_of

_PROGRAM = "weighbridge"


class Shell(StrEnum):
    """The shells whose completion is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    calls = ("source <(weighbridge completion bash)", "weighbridge completion fish | source")
    app.command(epilog=examples(*calls))(completion)


def completion(
    context: typer.Context,
    shell: Annotated[Shell, typer.Argument(help="The shell that reads the script.")],
) -> None:
    """Print a script that completes commands and options.

    It only prints: no file is changed. The script has all words in it, so that no program starts at a Tab.
    To have it always, add the example's line to ~/.bashrc, ~/.zshrc or config.fish.
    """
    main: Any = context.find_root().command
    words = {name: _words(command) for name, command in main.commands.items()}
    if shell is Shell.FISH:
        lines = list(_fish(main))
    else:
        # zsh takes bash's completions, once it is told to.
        first = ["autoload -U +X compinit && compinit", "autoload -U +X bashcompinit && bashcompinit"]
        lines = [*(first if shell is Shell.ZSH else ()), *_bash(words, _options(main))]
    typer.echo("\n".join(lines))


def _options(command: Any) -> list[str]:
    long = (name for each in command.params for name in each.opts if name.startswith("--"))
    return ["--help", *long]


def _words(command: Any) -> list[str]:
    """Return what may follow a command: those below it, and the options of all."""
    below = getattr(command, "commands", {})
    options = (option for each in (command, *below.values()) for option in _options(each))
    return list(dict.fromkeys((*below, *options)))


def _shown(names: Any) -> list[str]:
    return [name for name in names if name not in GROUPS[PLUMBING]]


def _bash(words: dict[str, list[str]], options: list[str]) -> Iterator[str]:
    yield "_weighbridge() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" command="" words="" before="" each'
    yield '    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '        if [[ $each != -* && $before != --log ]]; then command="$each"; break; fi'
    yield '        before="$each"'
    yield "    done"
    yield '    case "$command" in'
    # What only the workflow calls is completed once it is begun.
    yield f'    "") words="{" ".join((*_shown(words), *options))}"; [[ $word ]] && words="{" ".join((*words, *options))}" ;;'  # noqa: E501
    for name, following in words.items():
        yield f'    {name}) words="{" ".join(following)}" ;;'
    yield "    esac"
    yield '    COMPREPLY=($(compgen -W "$words" -- "$word"))'
    yield "}"
    # Where nothing fits, such as after --results, files do.
    yield f"complete -o default -F _weighbridge {_PROGRAM}"


def _fish(main: Any) -> Iterator[str]:
    for name in _shown(main.list_commands(None)):
        summary = summary_of(main.commands[name]).replace("'", "\\'")
        yield f"complete -c {_PROGRAM} -n __fish_use_subcommand -f -a {name} -d '{summary}'"
    for name, command in main.commands.items():
        for word in _words(command):
            after = f"-n '__fish_seen_subcommand_from {name}'"
            option = f"-l {word.removeprefix('--')}" if word.startswith("--") else f"-f -a {word}"
            yield f"complete -c {_PROGRAM} {after} {option}"
