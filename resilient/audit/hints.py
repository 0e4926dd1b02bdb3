"""What a file's words tell before its tree is walked, which takes longer than parsing does."""

from __future__ import annotations

import re
from typing import NamedTuple

from resilient.audit.libraries import MAKERS, ROOTS

_IMPORT = re.compile(rb"(?:^|[:;])[ \t]*(?:from|import)[ \t]+([^\n(]*(?:\([^)]*\))?)", re.MULTILINE)
# What there is something to say about without an import of a library by name.
_TELLING = re.compile(
    rb"import_module|__import__|verif\w{1,20}\s?=\s?False|PYTHONHTTPSVERIFY|_CA_BUNDLE"
)
# At the top of a file: a client or a policy that others may import, or a class of such.
_MAKING = re.compile(
    rb"^\w[^\n]*\b(?:\w*Client|" + "|".join(sorted(MAKERS)).encode() + rb")\b", re.MULTILINE
)
_NAME = re.compile(r"\w+")


class Words(NamedTuple):
    """imported: names that a file imports, or imports from: the modules' are among them.

    may_send: may there be something to say about it, whatever other files hold?
    may_make: may it make a client or a policy that others import?
    """

    imported: frozenset[str]
    may_send: bool
    may_make: bool


def words_of(content: bytes) -> Words:
    """What may be in a file, by its words."""
    lines = (found[1].decode("utf-8", "replace") for found in _IMPORT.finditer(content))
    imported = frozenset(name for line in lines for name in _NAME.findall(line))
    may_send = not imported.isdisjoint(ROOTS) or _TELLING.search(content) is not None
    return Words(imported, may_send, may_send and _MAKING.search(content) is not None)
