"""`resilient audit PATH…`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from functools import partial

from resilient.audit import (
    EXCLUDED,
    RULES,
    TESTS,
    Finding,
    Report,
    as_json,
    as_sarif,
    audit,
    shown,
)
from resilient.cli import exits
from resilient.cli.command import version
from resilient.cli.terminal import is_pretty, progress, write
from resilient.diagnostics.tables import many

_RULES = "\n".join(f"  {rule.id}  {rule.name.replace('-', ' ')}" for rule in RULES.values())
_EPILOG = f"""\
rules:
{_RULES}

A function counts as decorated if one of resilient's decorators is on it, or a bundle
(github = service(…)), or if it is private and all its callers in the file are.
`# resilient: ignore[RES002]` on the line, on a decorator or on the `def` says that it is
meant that way. These folders are not looked into:
{", ".join(EXCLUDED)}.

exit codes: 0 nothing found; 1 something found; 2 it could not be done as asked.
A file that does not parse is named and skipped."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be asked for."""
    parser.epilog = _EPILOG
    parser.add_argument("paths", metavar="PATH", nargs="+", help="a Python file, or a folder")
    parser.add_argument(
        "--format",
        choices=("text", "json", "sarif"),
        default="text",
        help="text (the default), json, or sarif 2.1.0 for code scanning",
    )
    parser.add_argument("--output", metavar="FILE", help="write there instead of to the terminal")
    parser.add_argument("--select", metavar="IDS", help="only these rules, such as RES001,RES002")
    parser.add_argument("--ignore", metavar="IDS", help="all rules but these")
    parser.add_argument(
        "--exclude",
        metavar="PATTERN",
        action="append",
        default=[],
        help="pass over files and folders of this name, or path below PATH; may be repeated",
    )
    parser.add_argument("--exclude-tests", action="store_true", help="pass over tests")
    parser.add_argument(
        "--no-default-excludes", action="store_true", help="look into build, .venv and the like"
    )


def run(options: argparse.Namespace) -> int:
    """Audit, write the report, and tell by the exit code whether something was found."""
    excluded = [*options.exclude, *(TESTS if options.exclude_tests else ())]
    excluded += () if options.no_default_excludes else EXCLUDED
    rules = _wanted(options.select, options.ignore)
    try:
        report = audit(
            options.paths,
            rules=rules,
            excluded=excluded,
            progress=partial(progress, title="auditing"),
        )
    except FileNotFoundError as error:
        raise exits.UsageError(f"audit: there is no {error}: give a file or a folder") from error
    if options.format == "text":
        _write_text(report, options.output)
    else:
        data = as_json(report) if options.format == "json" else as_sarif(report, version())
        write(json.dumps(data, indent=2, ensure_ascii=False), options.output)
    return exits.FOUND if report.findings else exits.FINE


def _wanted(select: str | None, ignore: str | None) -> list[str]:
    chosen = list(RULES) if select is None else _ids(select, "--select")
    left_out = [] if ignore is None else _ids(ignore, "--ignore")
    return [rule for rule in chosen if rule not in left_out]


def _ids(text: str, option: str) -> list[str]:
    ids = [part.strip().upper() for part in text.split(",") if part.strip()]
    for one in ids:
        if one not in RULES:
            raise exits.UsageError(f"audit {option} {one}: use some of {', '.join(RULES)}")
    if not ids:
        raise exits.UsageError(f"audit {option}: use some of {', '.join(RULES)}")
    return ids


def _write_text(report: Report, output: str | None) -> None:
    for problem in report.problems:
        place = f"{shown(problem.path)}:{problem.line}"
        print(f"{place}: skipped: it {problem.message}", file=sys.stderr)
    if output is None and report.findings and is_pretty(sys.stdout):
        _print_pretty(report)
    else:
        lines = [
            f"{shown(one.path)}:{one.line}:{one.column}: {one.rule} {one.function}: {one.message}"
            for one in report.findings
        ]
        write("\n".join([*lines, *_remedies(report.findings), _summary(report)]), output)


def _remedies(findings: Sequence[Finding]) -> list[str]:
    """What to do, said once."""
    ids = sorted({one.rule for one in findings})
    if not ids:
        return []
    return ["", *(f"{one}: {RULES[one].summary} {RULES[one].remedy}" for one in ids), ""]


def _summary(report: Report) -> str:
    looked = many(report.files, "file")
    skipped = f", {len(report.problems):,} skipped" if report.problems else ""
    if not report.findings:
        return f"Nothing found in {looked}{skipped}."
    files = len({one.path for one in report.findings})
    return f"{many(len(report.findings), 'finding')} in {files:,} of {looked}{skipped}."


def _print_pretty(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    for path, findings in _by_path(report.findings):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), title_justify="left")
        for _ in range(3):
            table.add_column(no_wrap=True)
        table.add_column()
        for one in findings:
            style = "red" if RULES[one.rule].level == "error" else "yellow"
            place = f"{one.line}:{one.column}".rjust(8)
            row = (
                Text(place, "dim"),
                Text(one.rule, style),
                Text(one.function, "cyan"),
                Text(one.message),
            )
            table.add_row(*row)
        console.print(Text(shown(path), "bold"))
        console.print(table)
    for line in (*_remedies(report.findings), _summary(report)):
        console.print(Text(line))


def _by_path(findings: Sequence[Finding]) -> Iterable[tuple[str, list[Finding]]]:
    by_path: dict[str, list[Finding]] = {}
    for one in findings:
        by_path.setdefault(one.path, []).append(one)
    return by_path.items()
