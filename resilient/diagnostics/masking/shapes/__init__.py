"""Tokens that are known by their shape, wherever they stand.

A shape is here if its vendor documents it, or a prefix of it that nothing else has; `source` says
where. What vendors call public (publishable keys, account ids) is none.
"""

from __future__ import annotations

import re

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import MASK, is_allowed
from resilient.diagnostics.masking.shapes.clouds import CLOUDS
from resilient.diagnostics.masking.shapes.code import CODE
from resilient.diagnostics.masking.shapes.infrastructure import INFRASTRUCTURE
from resilient.diagnostics.masking.shapes.messages import MESSAGES
from resilient.diagnostics.masking.shapes.models import MODELS
from resilient.diagnostics.masking.shapes.payments import PAYMENTS
from resilient.diagnostics.masking.shapes.shape import Shape
from resilient.diagnostics.masking.shapes.standards import STANDARDS
from resilient.diagnostics.masking.shapes.work import WORK

SHAPES: tuple[Shape, ...] = (
    *CLOUDS,
    *CODE,
    *PAYMENTS,
    *MESSAGES,
    *MODELS,
    *INFRASTRUCTURE,
    *WORK,
    *STANDARDS,
)


def without_shapes(text: str) -> str:
    """The text without tokens of known shape."""
    for hints, pattern, replaced in _PREPARED:
        for hint in hints:
            if hint in text:
                text = pattern.sub(replaced, text)
                break
    return _without_jwts(text) if "eyJ" in text else text


def _masked(found: re.Match[str]) -> str:
    begin, end = found.span("secret") if "secret" in found.re.groupindex else found.span()
    if begin < 0:
        begin, end = found.span()
    if is_allowed(found.string[begin:end]):
        return found[0]
    return found[0][: begin - found.start()] + MASK + found[0][end - found.start() :]


# Escapes and colors in front of a token end with a letter or a digit.
_WITHIN_WORD = lazy(r"(?<=[A-Za-z0-9])(?<!\\[nrt])(?<!%[0-9A-Fa-f]{2})(?<![0-9;\[]m)")


def _masked_word(found: re.Match[str]) -> str:
    return found[0] if _WITHIN_WORD.match(found.string, found.start()) else _masked(found)


_PREPARED = tuple(
    (shape.hints, shape.pattern, _masked_word if shape.is_word else _masked) for shape in SHAPES
)

# RFC 7515 7.1 and 7516 7.1: parts in base64url, the first one a JSON object's: {" is eyJ. Sessions
# of Flask and itsdangerous are alike.
_JWT_PART = lazy(r"[\w=-]*")


def _without_jwts(text: str) -> str:
    parts: list[str] = []
    done = 0
    at = text.find("eyJ")
    while at >= 0:
        end, dots = _jwt_end(text, at)
        if dots >= 2 and end - at >= 24 and not is_allowed(text[at:end]):
            parts += (text[done:at], MASK)
            done = end
        at = text.find("eyJ", end)
    return "".join((*parts, text[done:])) if parts else text


def _jwt_end(text: str, at: int) -> tuple[int, int]:
    dots = 0
    while True:
        found = _JWT_PART.match(text, at)
        at = at if found is None else found.end()
        following = text[at + 1 : at + 2]
        if dots == 4 or text[at : at + 1] != "." or not (following.isalnum() or following in "-_"):
            return at, dots
        dots += 1
        at += 1
