"""The language of vendor scripts: text in, a tuple of answers out."""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass, replace

from resilient.errors import ConfigurationError

GRAMMAR = """\
A script is a list of answers: "429 retry-after=3, timeout, 500 x2, 200"
  answer   a status (100 to 599) or a fault, then options; the last answer repeats for ever
  fault    timeout    never answers
           reset      resets the connection (RST) before an answer
           close      closes the connection before an answer
           garbage    answers with something that is not HTTP
           truncated  promises more body than it sends, then closes
           stall      sends half of the body, then nothing more
  option   x3                   this answer three times
           delay=2              seconds before the answer
           drip=0.5             seconds before each byte of the body
           body='so, then'      the body, as text
           json={"id": 7}       the body, as JSON
           retry-after=3        any other name is a response header; now+60 stands for the Unix
                                time in 60 seconds, date+60 for the same as an HTTP date
  A value with spaces or commas stands in quotes; a backslash takes the next character as it is."""

FAULTS = ("timeout", "reset", "close", "garbage", "truncated", "stall")
SILENT = frozenset({"timeout", "reset", "close", "garbage"})
"""Faults without headers and body."""

JSON_TYPE = "application/json"
TEXT_TYPE = "text/plain; charset=utf-8"

_SPACE = re.compile(r"\s*")
_PIECE = re.compile(r"[^\s,]+")
_TIMES = re.compile(r"[xX](\d+)(?=[\s,]|$)")
_NAME = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)=")
_BARE = re.compile(r"""[^\s,'"\\]+(?=[\s,]|$)""")
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")


@dataclass(frozen=True)
class Answer:
    """One answer of a script. `str()` gives the text that reads back as the same.

    fault: None for an ordinary answer with a status.
    body: None for a small default that tells the status.
    delay, drip: seconds.
    times: how many requests get this answer.
    """

    status: int = 200
    fault: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    media: str = JSON_TYPE
    delay: float = 0.0
    drip: float = 0.0
    times: int = 1

    def __str__(self) -> str:
        parts = [self.fault or str(self.status)]
        if self.times != 1:
            parts.append(f"x{self.times}")
        parts += [f"{name}={getattr(self, name)!r}" for name in _TIMED if getattr(self, name)]
        if self.body is not None:
            is_json = self.media == JSON_TYPE
            parts.append(f"json={self.body}" if is_json else f"body={_quote(self.body)}")
        parts += [f"{name}={_quote(value)}" for name, value in self.headers]
        return " ".join(parts)


_TIMED = ("delay", "drip")


def parse(script: str) -> tuple[Answer, ...]:
    """Read a script.

    Raises: ConfigurationError, which names the piece that can't be read and shows the grammar.
    """
    if not isinstance(script, str):
        raise ConfigurationError(f"script={script!r}: use a text.\n{GRAMMAR}")
    return _Reader(script).answers()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def answers(self) -> tuple[Answer, ...]:
        found = [self.answer()]
        while self.position < len(self.text):
            self.position += 1  # the comma that ended the answer before
            found.append(self.answer())
        return tuple(found)

    def answer(self) -> Answer:
        answer = self.kind()
        seen: set[str] = set()
        while not self.at_end():
            times = self.match(_TIMES)
            name = None if times else self.match(_NAME)
            if times:
                key, changed = "xN", replace(answer, times=int(times[1]))
                if changed.times < 1:
                    raise self.refused(f"{times[0]!r} repeats nothing; use x1 or more")
            elif name:
                key, changed = name[1].lower(), self.option(answer, name[1])
            else:
                raise self.refused(f"{self.piece()!r} is neither xN nor name=value")
            if key in ("body", "json"):
                key = "body"
            if key in seen and changed.headers == answer.headers:
                raise self.refused(f"{key} stands twice in one answer")
            seen.add(key)
            answer = changed
        return answer

    def kind(self) -> Answer:
        if self.at_end():
            raise self.refused("an answer is missing" + (" after a comma" if self.position else ""))
        word = self.piece()
        self.position += len(word)
        if word in FAULTS:
            return Answer(fault=word)
        if re.fullmatch(r"[1-5]\d\d", word, re.ASCII):
            return Answer(status=int(word))
        near = difflib.get_close_matches(word, FAULTS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise self.refused(f"{word!r} is neither a status nor a fault{hint}")

    def option(self, answer: Answer, name: str) -> Answer:
        key = name.lower()
        is_allowed = answer.fault not in SILENT or (key == "delay" and answer.fault != "timeout")
        if not is_allowed:
            raise self.refused(f"{name}= does not go with {answer.fault}")
        if key == "json":
            return replace(answer, body=self.json(), media=JSON_TYPE)
        value = self.value(name)
        if key == "body":
            return replace(answer, body=value, media=TEXT_TYPE)
        if key == "delay":
            return replace(answer, delay=self.seconds(name, value))
        if key == "drip":
            return replace(answer, drip=self.seconds(name, value))
        if not _HEADER_VALUE.fullmatch(value):
            raise self.refused(f"{name}={value!r} can't be a header")
        return replace(answer, headers=(*answer.headers, (name, value)))

    def value(self, name: str) -> str:
        if quoted := self.match(_QUOTED):
            if not self.at_border():
                raise self.refused(f"{self.piece()!r} follows a closing quote")
            inside = quoted[1] if quoted[1] is not None else quoted[2]
            return _ESCAPED.sub(r"\1", inside)
        if bare := self.match(_BARE):
            return bare[0]
        if self.at_border():
            raise self.refused(f"{name}= has no value")
        raise self.refused(
            f"{name}={self.piece()} has a quote that is not closed, or in its middle"
        )

    def json(self) -> str:
        try:
            value, end = json.JSONDecoder().raw_decode(self.text, self.position)
        except (ValueError, RecursionError) as error:
            raise self.refused(f"json={self.piece()} is not JSON") from error
        self.position = end
        if not self.at_border():
            raise self.refused(f"{self.piece()!r} follows the JSON")
        return json.dumps(value)

    def seconds(self, name: str, value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            raise self.refused(f"{name}={value} is not a time in seconds")
        return number

    def at_end(self) -> bool:
        """Skip spaces; is this answer over?"""
        space = _SPACE.match(self.text, self.position)
        self.position = space.end() if space else self.position
        return self.position == len(self.text) or self.text[self.position] == ","

    def at_border(self) -> bool:
        rest = self.text[self.position : self.position + 1]
        return not rest or rest.isspace() or rest == ","

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def piece(self) -> str:
        found = _PIECE.match(self.text, self.position)
        return found[0] if found else ""

    def refused(self, problem: str) -> ConfigurationError:
        return ConfigurationError(f"script {self.text!r}: {problem}.\n{GRAMMAR}")


def _quote(value: str) -> str:
    if _BARE.fullmatch(value):
        return value
    return "'" + re.sub(r"([\\'])", r"\\\1", value) + "'"
