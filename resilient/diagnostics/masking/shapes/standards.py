"""Tokens, keys and hashes by standards."""

from __future__ import annotations

from resilient.diagnostics.masking.shapes.shape import Shape, shape, word

STANDARDS: tuple[Shape, ...] = (
    word(
        "PASETO",
        ".local. .public.",
        r"v[1-4]\.(?:local|public)\.[\w-]{40,}(?:\.[\w-]+)?",
        "github.com/paseto-standard/paseto-spec",
    ),
    word(
        "Fernet token",
        "gAAAAA",
        r"gAAAAA[\w-]{94,}={0,2}",
        "github.com/fernet/spec/blob/master/Spec.md",
    ),
    shape(
        "private key in base64",
        "LS0tLS1CRUdJTi",
        r"LS0tLS1CRUdJTi(?P<secret>(?:BQUklW|BSU0Eg|BFQyBQ|BEU0Eg|BPUEVO|BFTkNSWVBURUQg|BQR1AgUFJJ)"
        r"[\w+/=-]{30,})",
        "RFC 4648 4 of RFC 7468",
    ),
    shape(
        "password hash",
        "$2 $argon2 $6$ $5$ $1$ $apr1$ $y$ $P$ $scrypt pbkdf2",
        r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$argon2(?:id|i|d)\$[\w$=,+/.-]{30,}"
        r"|\$(?:[156P]|y|apr1|scrypt)\$[\w$=./,]{20,}|pbkdf2[_:]sha\d{1,3}[$:]\d{3,8}[$:][\w$:+/=]{20,}",
        "man 5 crypt; docs.djangoproject.com/topics/auth/passwords",
    ),
)
