"""Reports for machines: JSON, and SARIF 2.1.0 for code scanning."""

from __future__ import annotations

import hashlib
import os
import urllib.parse
from collections.abc import Sequence
from typing import Any

from resilient.audit.rules import RULES, Finding, Problem
from resilient.audit.running import Report

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def as_json(report: Report) -> dict[str, Any]:
    """Plain data, fit for JSON."""
    return {
        "files": report.files,
        "findings": [
            {
                "rule": one.rule,
                "name": RULES[one.rule].name,
                "level": RULES[one.rule].level,
                "path": shown(one.path),
                "line": one.line,
                "column": one.column,
                "function": one.function,
                "message": one.message,
                "remedy": one.remedy,
            }
            for one in report.findings
        ],
        "problems": [
            {"path": shown(one.path), "line": one.line, "message": one.message}
            for one in report.problems
        ],
    }


def as_sarif(report: Report, version: str) -> dict[str, Any]:
    """A SARIF log with one run. version: of resilient."""
    driver = {
        "name": "resilient audit",
        "semanticVersion": version,
        "rules": [
            {
                "id": rule.id,
                "name": rule.name,
                "shortDescription": {"text": rule.summary},
                "fullDescription": {"text": rule.summary},
                "help": {"text": rule.remedy},
                "defaultConfiguration": {"level": rule.level},
            }
            for rule in RULES.values()
        ],
    }
    invocation = {
        # SARIF 2.1.0 3.20.14: skipped files are told as notifications, and are no failure.
        "executionSuccessful": True,
        "toolExecutionNotifications": [_notification(one) for one in report.problems],
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": _results(report.findings),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _results(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    places = list(RULES)
    seen: dict[tuple[str, str, str, str], int] = {}
    results = []
    for one in findings:
        # Not the line: it changes with whatever is written above.
        same = (one.rule, shown(one.path), one.function, one.message)
        seen[same] = seen.get(same, 0) + 1
        print_ = hashlib.sha256("\0".join((*same, str(seen[same]))).encode()).hexdigest()
        results.append(
            {
                "ruleId": one.rule,
                "ruleIndex": places.index(one.rule),
                "level": RULES[one.rule].level,
                "message": {"text": f"{one.message}. {one.remedy}"},
                "locations": [
                    {
                        **_location(one.path, one.line, one.column),
                        "logicalLocations": [
                            {"fullyQualifiedName": one.function, "kind": "function"}
                        ],
                    }
                ],
                "partialFingerprints": {"resilientAudit/v1": print_},
            }
        )
    return results


def _notification(problem: Problem) -> dict[str, Any]:
    return {
        "level": "warning",
        "message": {"text": f"skipped: it {problem.message}"},
        "locations": [_location(problem.path, problem.line, 1)],
    }


def _location(path: str, line: int, column: int) -> dict[str, Any]:
    region = {"startLine": max(1, line), "startColumn": max(1, column)}
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": region}}


def _uri(path: str) -> str:
    """Relative to the working directory if it lies below, else a file URI."""
    whole = os.path.abspath(path)
    below = os.path.relpath(whole)
    is_below = not below.startswith(os.pardir) and not os.path.isabs(below)
    text = (below if is_below else whole).replace(os.sep, "/")
    quoted = urllib.parse.quote(os.fsencode(text))
    return quoted if is_below else f"file://{quoted}"


def shown(path: str) -> str:
    """A path as text that can be printed, whatever bytes it is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
