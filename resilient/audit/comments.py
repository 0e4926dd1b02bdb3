"""`# resilient: ignore[RES002]`: what a comment says is meant that way."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Mapping, Sequence

ALL = "all rules"

_COMMENT = re.compile(r"#\s*resilient:\s*ignore(?![\w-])(?:\[([^\]]*)\])?", re.IGNORECASE)


def ignored(lines: Sequence[str]) -> Mapping[int, frozenset[str]]:
    """The rules that each line, counted from 1, says to leave out; ALL for a comment with none."""
    text = "".join(lines)
    if _COMMENT.search(text) is None:
        return {}
    found: dict[int, frozenset[str]] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                comment = _COMMENT.search(token.string)
                if comment is not None:
                    found[token.start[0]] = _rules(comment[1])
    except (tokenize.TokenError, SyntaxError):
        # It was parsed before, so that what is left is past the last comment of interest.
        return found
    return found


def _rules(written: str | None) -> frozenset[str]:
    if written is None:
        return frozenset({ALL})
    return frozenset(name.strip().upper() for name in written.split(","))
