"""`mask`: a text loses its secrets, by all rules; and the rules that an application adds."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import NamedTuple

from resilient.diagnostics.masking import names
from resilient.diagnostics.masking import rule as rules_of_all
from resilient.diagnostics.masking.columns import may_have_columns, without_columns
from resilient.diagnostics.masking.commands import OPTION_RULE, PROGRAM_RULE, may_have_option
from resilient.diagnostics.masking.markup import MARKUP_RULES
from resilient.diagnostics.masking.named import NAMED_RULE
from resilient.diagnostics.masking.notations import (
    BY_NAME,
    COOKIE_RULE,
    JWK_RULE,
    OF_LINES,
    QUERY_RULE,
    may_have_query,
)
from resilient.diagnostics.masking.numbers import without_numbers
from resilient.diagnostics.masking.outline import (
    SHORTEST,
    may_have_number,
    may_have_token,
    outline_of,
)
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.protocols import COOKIES_RULE, PROTOCOL_RULES
from resilient.diagnostics.masking.reported import REPORTED_RULES, may_have_report
from resilient.diagnostics.masking.rule import MASK, WITHHELD, Rule, apply, is_allowed, lower, up_to
from resilient.diagnostics.masking.sentences import SAID_RULES, SQL_RULE, YOUR_RULE, may_be_said
from resilient.diagnostics.masking.shapes import without_shapes
from resilient.diagnostics.masking.shortened import may_be_shortened, without_shortened
from resilient.diagnostics.masking.urls import URL_RULES
from resilient.diagnostics.masking.variables import may_have_variables, without_variables
from resilient.errors import ConfigurationError
from resilient.http.learned import learned

# RFC 7468, RFC 4880 6.2; also URL-encoded.
_PEM = lazy(
    r"-----begin(?: |\+|%20)(?:[a-z ]|\+|%20){0,24}?private(?: |\+|%20)key"
    r"(?:(?: |\+|%20)block)?-----"
)
_PEM_END = lazy(r"-----END|\Z")
_PPK = lazy(r"private-lines: \d{1,4}")  # PuTTY's private key files
_PPK_END = lazy(r"Private-MAC|\Z")


def _has_lines(text: str) -> bool:
    return 0 <= text.find("\n") < len(text) - 1 or "\\n" in text


# Groups with what tells whether a text may have such a secret. A line meets few of them.
_Groups = tuple[tuple[Callable[[str], object], tuple[Rule, ...]], ...]

_KEYS = (
    Rule("private key", ("-----begin",), _PEM, up_to(_PEM_END)),
    Rule("private key of PuTTY", ("private-lines: ",), _PPK, up_to(_PPK_END)),
)
_BY_NAME = (*PROTOCOL_RULES, COOKIE_RULE, NAMED_RULE, *BY_NAME)
"""For texts in which a name may be."""
_BEFORE: _Groups = (
    (lambda text: "private" in text, _KEYS),
    (may_have_report, REPORTED_RULES),
)
_BEHIND: _Groups = (
    (lambda text: "\t" in text or "\\t" in text, (COOKIES_RULE,)),
    (lambda text: "kty" in text, (JWK_RULE,)),
    (may_have_query, (QUERY_RULE,)),
    (may_have_option, (OPTION_RULE, PROGRAM_RULE)),
    (lambda text: " is your " in text, (YOUR_RULE,)),
    (lambda text: "identified " in text or " password" in text, (SQL_RULE,)),
    (lambda text: "/" in text or "%" in text or "@" in text, URL_RULES),
)
RULES: tuple[Rule, ...] = (
    *(rule for _, group in _BEFORE for rule in group),
    *_BY_NAME,
    *MARKUP_RULES,
    *SAID_RULES,
    *OF_LINES,
    *(rule for _, group in _BEHIND for rule in group),
)
"""Applied in this order; after them come SHAPES."""


class _Added(NamedTuple):
    """hint: in lower case."""

    name: str
    hint: str
    pattern: re.Pattern[str]


_added: tuple[_Added, ...] = ()
"""The application's own rules. Replaced as a whole."""

_COLOR = lazy(r"\x1b\[[0-9;]{0,16}m")


def mask(text: str) -> str:
    """The text with its secrets replaced by `***`.

    Masking twice changes nothing more. Nothing is raised: what can't be masked is withheld.
    """
    try:
        # A subclass may have methods of its own.
        text = str.__str__(text)
        if len(text) < SHORTEST and text.isidentifier() and not _added:
            # A name by itself, as figures have by the dozen: too short for a token.
            return learned.replace(text, MASK, is_allowed) if learned else text
        text = _masked(text)
        if "\x1b[" in text:
            # A format may color a part of a secret, and so cut it in two. Colors count less.
            plain = _COLOR.sub("", text)
            again = _masked(plain)
            return text if again == plain else again
        return text
    except Exception:
        # A log line is not worth a failed call, and must not leak because masking failed.
        return WITHHELD


def _masked(text: str) -> str:
    if learned:
        text = learned.replace(text, MASK, is_allowed)
    if may_have_variables(text):
        text = without_variables(text)
    lowered = lower(text)
    for added in _added:
        if added.hint in lowered:
            text = added.pattern.sub(_without_secret, text)
            lowered = lower(text)
    for may_have, rules in _BEFORE:
        if may_have(lowered):
            text, lowered = _without(rules, text, lowered)
    hinted = names.first_hint(lowered)
    if hinted >= 0:
        text, lowered = _without(_BY_NAME, text, lowered, hinted)
        if "<" in lowered or "&lt;" in lowered:
            text, lowered = _without(MARKUP_RULES, text, lowered, hinted)
        if may_be_said(lowered, hinted):
            text, lowered = _without(SAID_RULES, text, lowered, hinted)
        has_lines = _has_lines(lowered)
        if has_lines:
            text, lowered = _without(OF_LINES, text, lowered)
        if has_lines or may_have_columns(lowered):
            without = without_columns(text, lowered)
            if without is not text:
                text, lowered = without, lower(without)
    for may_have, rules in _BEHIND:
        if may_have(lowered):
            text, lowered = _without(rules, text, lowered)
    outline = outline_of(text)
    if may_have_token(outline, text):
        text = without_shapes(text)
        if may_be_shortened(text):
            text = without_shortened(text)
    return without_numbers(text) if may_have_number(outline) else text


def _without(rules: tuple[Rule, ...], text: str, lowered: str, hinted: int = 0) -> tuple[str, str]:
    for rule in rules:
        replaced = apply(rule, text, lowered, hinted)
        if replaced is not text:
            text, lowered = replaced, lower(replaced)
    return text, lowered


def _without_secret(found: re.Match[str]) -> str:
    begin, end = found.span("secret" if "secret" in found.re.groupindex else 0)
    if begin == end or is_allowed(found.string[begin:end]):
        return found[0]
    return found.string[found.start() : begin] + MASK + found.string[end : found.end()]


_changing = threading.Lock()
"""Guards changes of RULES and of what is allowed."""

Undo = Callable[[], None]


def add_rule(name: str, pattern: str | re.Pattern[str], *, hint: str) -> Undo:
    """Mask what a pattern of your own finds: `add_rule("badge", r"BDG-\\d{6}", hint="BDG-")`.

    pattern: its group `secret` is masked, or all of it if there is no such group.
    hint: stands in every text that holds such a secret, in any case of letters. Texts without it
        are not searched.
    Returns a function that takes the rule away.
    """
    if not name or any(one.name == name for one in _added):
        raise ConfigurationError(f"add_rule({name!r}): use a name that no added rule has.")
    if not hint:
        raise ConfigurationError(
            f"add_rule({name!r}, hint={hint!r}): use a text that every such secret comes with."
        )
    try:
        added = _Added(name, hint.lower(), re.compile(pattern))
    except re.error as error:
        raise ConfigurationError(f"add_rule({name!r}): the pattern is invalid: {error}.") from error
    if added.pattern.match("") is not None:
        raise ConfigurationError(
            f"add_rule({name!r}): the pattern matches an empty text: let it match what is secret."
        )
    with _changing:
        _set_added((*_added, added))

    def undo() -> None:
        with _changing:
            _set_added(tuple(one for one in _added if one is not added))

    return undo


def _set_added(rules: tuple[_Added, ...]) -> None:
    global _added
    _added = rules


def allow(*texts: str) -> Undo:
    """Leave these values unmasked, such as a documented test key. Returns what takes it back."""
    _check_texts(texts, "allow")
    more = frozenset(texts)
    with _changing:
        rules_of_all.allowed_texts |= more

    def undo() -> None:
        with _changing:
            rules_of_all.allowed_texts -= more

    return undo


def allow_names(*others: str) -> Undo:
    """Take values of these names for no secrets: `allow_names("design_token")`.

    Values that are secrets by their shape are masked all the same. Returns what takes it back.
    """
    _check_texts(others, "allow_names")
    more = frozenset(name.lower() for name in others)
    with _changing:
        names.excepted_names |= more

    def undo() -> None:
        with _changing:
            names.excepted_names -= more

    return undo


def _check_texts(texts: tuple[str, ...], name: str) -> None:
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ConfigurationError(f"{name}(): use one text or more, none of them empty.")
