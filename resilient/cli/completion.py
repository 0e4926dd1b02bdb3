"""`resilient completion SHELL`: scripts made from the parsers, so that they can't fall behind."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

from resilient.cli import exits
from resilient.cli.command import COMMANDS, parser_for

_EPILOG = """\
bash:  eval "$(resilient completion bash)"                 in ~/.bashrc
zsh:   eval "$(resilient completion zsh)"                  in ~/.zshrc, after compinit
fish:  resilient completion fish | source                  in ~/.config/fish/config.fish"""


class Option(NamedTuple):
    """One option of a subcommand. takes: "nothing", "file" or "word"; choices: of its value."""

    name: str
    summary: str
    takes: str
    choices: tuple[str, ...]


class Subcommand(NamedTuple):
    """What can follow one subcommand. choices: of its positional arguments, or files if none."""

    name: str
    options: list[Option]
    choices: tuple[str, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    parser.add_argument("shell", choices=tuple(_SCRIPTS), help="which shell")


def run(options: argparse.Namespace) -> int:
    """Write the script."""
    print(_SCRIPTS[options.shell](list(_subcommands())), end="")
    return exits.FINE


def _subcommands() -> Iterator[Subcommand]:
    parser = parser_for((), is_complete=True)
    (subparsers,) = (
        action for action in parser._actions if isinstance(action, argparse._SubParsersAction)
    )
    for name, subparser in subparsers.choices.items():
        choices: tuple[str, ...] = ()
        options = []
        for action in subparser._actions:
            if not action.option_strings:
                choices = tuple(map(str, action.choices or ()))
                continue
            takes = "nothing" if action.nargs == 0 else "word"
            if action.metavar == "FILE":
                takes = "file"
            options.append(
                Option(
                    action.option_strings[-1],
                    (action.help or "").split(";")[0].partition(" (")[0],
                    takes,
                    tuple(map(str, action.choices or ())),
                )
            )
        yield Subcommand(name, options, choices)


def _bash(subcommands: list[Subcommand]) -> str:
    values, words = [], []
    for one in subcommands:
        for option in one.options:
            if option.choices:
                pattern = f"{one.name}:{option.name}"
                values.append(_bash_case(pattern, " ".join(option.choices)))
            elif option.takes == "file":
                values.append(f"        {one.name}:{option.name}) compopt -o default; return ;;")
            elif option.takes == "word":
                values.append(f"        {one.name}:{option.name}) return ;;")
        names = " ".join([*(option.name for option in one.options), *one.choices])
        words.append(_bash_case(one.name, names))
    lines = [
        "_resilient() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local command="${COMP_WORDS[1]}"',
        "    COMPREPLY=()",
        "    if [ $COMP_CWORD -eq 1 ]; then",
        f"        COMPREPLY=($(compgen -W '{' '.join(COMMANDS)} --help --version' -- \"$word\"))",
        "        return",
        "    fi",
        '    case "$command:$before" in',
        *values,
        "    esac",
        '    case "$command" in',
        *words,
        "    esac",
        "    if [ ${#COMPREPLY[@]} -eq 0 ]; then compopt -o default; fi",
        "}",
        "complete -F _resilient resilient",
    ]
    return "\n".join(lines) + "\n"


def _bash_case(pattern: str, words: str) -> str:
    end = " return ;;" if ":" in pattern else " ;;"
    return f"        {pattern}) COMPREPLY=($(compgen -W '{words}' -- \"$word\"));{end}"


def _zsh(subcommands: list[Subcommand]) -> str:
    lines = ["_resilient() {", "    local -a commands", "    commands=("]
    lines += [f"        {_quoted(f'{name}:{text}')}" for name, text in COMMANDS.items()]
    lines += [
        "    )",
        "    if (( CURRENT == 2 )); then",
        "        _describe subcommand commands",
        "        return",
        "    fi",
        "    local command=$words[2]",
        "    shift words; (( CURRENT-- ))",
        "    case $command in",
    ]
    for one in subcommands:
        lines.append(f"        {one.name})")
        lines.append("            _arguments \\")
        for option in one.options:
            spec = f"*{option.name}[{_zsh_text(option.summary)}]"
            if option.choices:
                spec += f":value:({' '.join(option.choices)})"
            elif option.takes != "nothing":
                spec += ":file:_files" if option.takes == "file" else ":value:"
            lines.append(f"                {_quoted(spec)} \\")
        rest = f"*:value:({' '.join(one.choices)})" if one.choices else "*:file:_files"
        lines += [f"                {_quoted(rest)}", "            ;;"]
    return "\n".join([*lines, "    esac", "}", "compdef _resilient resilient"]) + "\n"


def _zsh_text(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace(":", ",")


def _fish(subcommands: list[Subcommand]) -> str:
    lines = [
        f"complete -c resilient -n __fish_use_subcommand -f -a {name} -d {_fish_quoted(text)}"
        for name, text in COMMANDS.items()
    ]
    for one in subcommands:
        start = f"complete -c resilient -n '__fish_seen_subcommand_from {one.name}'"
        if one.choices:
            lines.append(f"{start} -f -a {_fish_quoted(' '.join(one.choices))}")
        for option in one.options:
            line = f"{start} -l {option.name.lstrip('-')} -d {_fish_quoted(option.summary)}"
            if option.choices:
                line += f" -x -a {_fish_quoted(' '.join(option.choices))}"
            elif option.takes != "nothing":
                line += " -r" if option.takes == "file" else " -x"
            lines.append(line)
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
