"""`resilient completion SHELL`: scripts made from the parsers, so that they can't fall behind."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import NamedTuple

from resilient.cli import exits
from resilient.cli.command import COMMANDS, parser_for

_EPILOG = """\
bash:  eval "$(resilient completion bash)"                 in ~/.bashrc
zsh:   eval "$(resilient completion zsh)"                  in ~/.zshrc, after compinit
fish:  resilient completion fish | source                  in ~/.config/fish/config.fish"""


_FILES = ("FILE", "LOG", "PATH")
"""As what an argument is shown that is a file or a folder."""


class Option(NamedTuple):
    """One option of a subcommand. takes: "nothing", "file" or "word"; choices: of its value."""

    name: str
    summary: str
    takes: str
    choices: tuple[str, ...]


class Subcommand(NamedTuple):
    """What can follow one subcommand. choices: of its first argument; has_files: are others?"""

    name: str
    options: list[Option]
    choices: tuple[str, ...]
    has_files: bool


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
        has_files = False
        options = []
        for action in subparser._actions:
            if not action.option_strings:
                choices = choices or tuple(map(str, action.choices or ()))
                has_files = has_files or action.metavar in _FILES
                continue
            takes = "nothing" if action.nargs == 0 else "word"
            if action.metavar == "FILE":
                takes = "file"
            options.append(
                Option(
                    action.option_strings[-1],
                    re.sub(r" \([^)]*\)", "", (action.help or "").split(";")[0]),
                    takes,
                    tuple(map(str, action.choices or ())),
                )
            )
        yield Subcommand(name, options, choices, has_files)


def _bash(subcommands: list[Subcommand]) -> str:
    values, words = [], []
    for one in subcommands:
        for option in one.options:
            if option.choices:
                offer = f"_resilient_words '{' '.join(option.choices)}'; "
            elif option.takes == "nothing":
                continue
            else:
                offer = "compopt -o default; " if option.takes == "file" else ""
            values.append(f"        {one.name}:{option.name}) {offer}return ;;")
        names = " ".join(option.name for option in one.options)
        files = "compopt -o default" if one.has_files else ""
        rest = f"_resilient_words '{' '.join(one.choices)}'" if one.choices else files or ":"
        if one.choices and files:
            rest += f" || {files}"
        words.append(
            f"        {one.name}) case \"$word\" in -*) _resilient_words '{names}' ;; "
            f"*) {rest} ;; esac ;;"
        )
    lines = [
        "_resilient_words() {",
        '    COMPREPLY=($(compgen -W "$1" -- "$word"))',
        "}",
        "_resilient() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local command="${COMP_WORDS[1]}"',
        "    COMPREPLY=()",
        "    if [ $COMP_CWORD -eq 1 ]; then",
        f"        _resilient_words '{' '.join(COMMANDS)} --help --version'",
        "        return",
        "    fi",
        # Bash takes --format=json for three words.
        '    if [ "$word" = = ]; then word=; '
        'elif [ "$before" = = ]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        '    case "$command:$before" in',
        *values,
        "    esac",
        '    case "$command" in',
        *words,
        "    esac",
        "}",
        "complete -F _resilient resilient",
    ]
    return "\n".join(lines) + "\n"


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
        rest = [f"1:value:({' '.join(one.choices)})"] if one.choices else []
        rest += ["*:file:_files"] if one.has_files else [] if one.choices else ["*:value:"]
        lines.append("                " + " ".join(map(_quoted, rest)))
        lines.append("            ;;")
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
        if one.choices or not one.has_files:
            files = "" if one.has_files else " -f"
            lines.append(f"{start}{files} -a {_fish_quoted(' '.join(one.choices))}")
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
