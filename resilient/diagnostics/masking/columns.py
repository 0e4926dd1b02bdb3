"""Secrets whose names stand somewhere above them: in the header of a table, in the columns of SQL.

name,password,region        INSERT INTO users (name, password) VALUES ('bob', 'x1y2z3')
bob,x1y2z3,eu               [SQL: UPDATE users SET password=?] [parameters: ('x1y2z3',)]
"""

from __future__ import annotations

from collections.abc import Iterator

from resilient.diagnostics.masking.names import is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing
from resilient.diagnostics.masking.rule import MASK, is_allowed
from resilient.diagnostics.masking.spoken import is_no_secret

Span = tuple[int, int]

_HEADER = lazy(r"[\w .\"'-]{0,80}(?P<sign>[,;\t|│]|\\t)(?:[\w .\"',;\t|│-]|\\t){1,1000}")
_QUOTED = lazy(r"[\"']")
_NAME = lazy(r"[A-Za-z_][\w .-]{0,60}")
_QUOTED_NAME = lazy(rf"[\"']?{_NAME.pattern}[\"']?")
_RULED = " +-=|│:─┼├┤"

_INSERT = lazy(
    r"(?:insert|replace)[ ](?:or[ ]\w{4,8}[ ]|ignore[ ])?into[ ]"
    r"[\w.\"`\[\]]{1,120}\s{0,4}\((?P<columns>[^()]{1,4000})\)\s{1,8}values"
    r"\s{0,8}(?=\()"
)
_NEXT_ROW = lazy(r"\s{0,8},\s{0,8}(?=\()")
_COMPARED = lazy(r"\b(?P<name>[\w.\"`]{1,128})\s{0,4}(?:=|<>|!=)\s{0,4}(?:\?|%s)|(?P<other>\?|%s)")
# SQLAlchemy's errors, and Django's log.
_PARAMETERS = lazy(r"(?:\[parameters:[ ]|;[ ]args=)\[?(?=\()")
_MOST_OF_STATEMENT = 4096
_UNTIL = lazy(r"[^,()\"'\r\n]{0,400}")


def may_have_columns(lowered: str) -> bool:
    """May names stand above values on one line?"""
    return " into " in lowered or "; args=" in lowered


def without_columns(text: str, lowered: str) -> str:
    """The text without the values of columns whose names are sensitive."""
    spans: list[Span] = []
    # In a repr and in JSON, lines end with \n, and the last of them with the quote.
    for newline in ("\n", "\\n"):
        if newline in text:
            spans += _in_tables(text, newline)
    if " into " in lowered:
        spans += _inserted(text, lowered)
    if "parameters: " in lowered or "; args=" in lowered:
        spans += _passed(text, lowered)
    parts: list[str] = []
    done = 0
    for begin, end in sorted(spans):
        if done <= begin < end and not is_allowed(text[begin:end]):
            parts += (text[done:begin], MASK)
            done = end
    return "".join((*parts, text[done:])) if parts else text


def _in_tables(text: str, newline: str) -> Iterator[Span]:
    at = 0
    sign, width = "", 0
    secret: tuple[int, ...] = ()
    for line in text.split(newline):
        if secret:
            cells = _shown(line, newline).split(sign)
            if len(cells) == width:
                yield from _secret_cells(cells, secret, at, len(sign))
            elif line.strip(_RULED):
                secret = ()
        # As most lines of a traceback are, no header is indented.
        if not secret and not line.startswith("  "):
            sign, width, secret = _header(line if newline == "\n" else _QUOTED.split(line)[-1])
        at += len(line) + len(newline)


def _shown(line: str, newline: str) -> str:
    return line if newline == "\n" else line.partition('"')[0].partition("'")[0]


def _header(line: str) -> tuple[str, int, tuple[int, ...]]:
    """What separates the cells of a table's first line, how many, and which are of secrets."""
    # What a format writes before a message, and Python before that of an error, ends with these.
    found = _HEADER.fullmatch(line.rpartition(" - ")[2].rpartition(": ")[2].rstrip("\r"))
    if found is None:
        return "", 0, ()
    sign = found["sign"]
    names = [name.strip() for name in found[0].split(sign)]
    is_framed = sign in "|│" and not names[0] and not names[-1]
    is_name = _NAME.fullmatch if sign in "|│" else _QUOTED_NAME.fullmatch
    inner = names[1:-1] if is_framed else names
    if len(inner) < 2 or not all(map(is_name, inner)):
        return "", 0, ()
    secret = [at for at, name in enumerate(names) if name and is_sensitive(name.strip("\"'"))]
    return sign, len(names), tuple(secret)


def _secret_cells(
    cells: list[str], secret: tuple[int, ...], at: int, between: int
) -> Iterator[Span]:
    for number, cell in enumerate(cells):
        value = cell.strip(" \"'\r")
        if number in secret and value.strip("-=─:") and not _says_nothing(value):
            begin = at + cell.index(value)
            yield begin, begin + len(value)
        at += len(cell) + between


def _inserted(text: str, lowered: str) -> Iterator[Span]:
    for found in _INSERT.finditer(lowered):
        yield from _in_rows(text, found.end(), _sensitive_of(found["columns"].split(",")))[0]


def _passed(text: str, lowered: str) -> Iterator[Span]:
    done = 0
    for found in _PARAMETERS.finditer(lowered):
        statement = lowered[max(done, found.start() - _MOST_OF_STATEMENT) : found.start()]
        inserted = list(_INSERT.finditer(statement))
        if inserted:
            secret = _sensitive_of(inserted[-1]["columns"].split(","))
        else:
            secret = _sensitive_of([one["name"] or "" for one in _COMPARED.finditer(statement)])
        spans, done = _in_rows(text, found.end(), secret)
        yield from spans


def _in_rows(text: str, at: int, secret: list[int]) -> tuple[list[Span], int]:
    """Where the secret ones of rows of values are, and where they have been looked for."""
    spans: list[Span] = []
    while secret:
        values, at = _values(text, at)
        spans += (values[number] for number in secret if number < len(values))
        following = _NEXT_ROW.match(text, at)
        if following is None:
            break
        at = following.end()
    return spans, at


def _sensitive_of(names: list[str]) -> list[int]:
    return [number for number, name in enumerate(names) if is_sensitive(name.strip(" \"'`\r\n\t"))]


def _values(text: str, at: int) -> tuple[list[Span], int]:
    """Where the values of a list in brackets are, empty where nothing is secret; and its end."""
    values: list[Span] = []
    at += 1
    while at < len(text):
        while text[at : at + 1] in (" ", "\n"):
            at += 1
        opener = OPENER.match(text, at)
        if opener is not None:
            begin = opener.end()
            end = closing(text, begin, opener[2], len(opener[1]))
            after = end + len(opener[1]) + len(opener[2])
            # A quote is doubled in SQL.
            while text.startswith(opener[2], after) and not text.startswith(opener[2] * 2, after):
                end = closing(text, after + 1, opener[2], len(opener[1]))
                after = end + len(opener[1]) + len(opener[2])
        else:
            begin, after = at, _end_of_plain(text, at)
            end = after
        values.append((begin, begin) if _says_nothing(text[begin:end][:200]) else (begin, end))
        if text[after : after + 1] != ",":
            return values, after + (text[after : after + 1] == ")")
        at = after + 1
    return values, at


def _end_of_plain(text: str, at: int) -> int:
    found = _UNTIL.match(text, at)
    end = at if found is None else found.end()
    if text[end : end + 1] == "(":  # a call, such as now()
        close = text.find(")", end, end + 200)
        return end if close < 0 else close + 1
    return end


def _says_nothing(value: str) -> bool:
    return value in ("", ")", "?", "%s") or is_no_secret(value, "", is_quoted=False, is_spoken=True)
