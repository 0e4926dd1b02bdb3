"""Secrets in text become `***`.

Known are the names of secrets in all notations, tokens by their shape, numbers by their check
digits, and values that were learned. Each search is linear in its input: what a pattern may repeat
is bounded, and whatever was looked at to find a secret's end, the search never visits again.

    rule        what a rule is              patterns                        compiled when first used
    names       names of secrets            named, calls, quoting, spoken   values by name
    notations   further ways to write them  markup, commands, sentences     XML, shells, prose, SQL
    protocols   SMTP, IMAP, FTP, Redis      reported                        of validators, databases
    shapes      tokens of vendors           shortened                       what is left of them
    numbers     cards, IBANs                columns                         tables, INSERT
    urls        user info                   variables                       loguru's diagnose
    text        `mask`, rules of one's own  data                            `masked`
"""

from __future__ import annotations

from resilient.diagnostics.masking.data import known_now, masked
from resilient.diagnostics.masking.names import is_sensitive
from resilient.diagnostics.masking.rule import MASK, WITHHELD, Clean, Figures, Rule
from resilient.diagnostics.masking.shapes import SHAPES
from resilient.diagnostics.masking.shapes.shape import Shape
from resilient.diagnostics.masking.text import RULES, add_rule, allow, allow_names, mask

__all__ = [
    "MASK",
    "RULES",
    "SHAPES",
    "WITHHELD",
    "Clean",
    "Figures",
    "Rule",
    "Shape",
    "add_rule",
    "allow",
    "allow_names",
    "is_sensitive",
    "known_now",
    "mask",
    "masked",
]
