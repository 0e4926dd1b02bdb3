"""Further ways to write a named value: pairs of name and value, lists, forms, queries, tables."""

from __future__ import annotations

import base64
import re
import string

from resilient.diagnostics.masking.names import ANY_NAME, is_harmless, is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import NEW_LINE, OPENER, closing, closing_bracket
from resilient.diagnostics.masking.rule import Rule, end_of, up_to, word_after
from resilient.diagnostics.masking.spoken import is_no_secret

Span = tuple[int, int]

# {"name": "password", "value": "x"}, <input name=password value=x>, Key=Password,Value=x.
_PAIR = lazy(
    rf"(?:name|key|field|parameter|param|header|k|id)(?:\\{{0,15}}[\"'])?[ ]?[:=][ ]?"
    rf"[bru]?(?:\\{{0,15}}[\"'])?[\w.:-]{{0,40}}?{ANY_NAME}(?:\\{{0,15}}[\"'])?"
    rf"(?:[ ]?[,;]?{NEW_LINE}[ \t]{{1,60}}|[ ]?[,;][ ]?|[ ])"
    r"(?:[\w-]{1,20}=[\"']?[\w-]{0,20}[\"']?[ ]){0,2}"
    r"(?:\\{0,15}[\"'])?(?:string)?(?:value|val|v|content)(?:\\{0,15}[\"'])?[ ]?[:=][ ]?"
)
_PAIR_WORD = lazy(r"""[^\s"'<>,;}\])&\\]+""")

# The same with the value first.
_VALUE_FIRST = lazy(r"(?:value|val|content)(?:\\{0,15}[\"'])?[ ]?[:=][ ]?(?=[bru]?\\{0,15}[\"'])")
_NAME_BEHIND = lazy(
    r"\\{0,15}[\"'],?[ ]?(?:\\{0,15}[\"'])?(?:name|key|field|id)(?:\\{0,15}[\"'])?[ ]?[:=][ ]?"
    r"\\{0,15}[\"'](?P<named>[\w.:-]{1,64})\\{0,15}[\"']",
    re.IGNORECASE,
)

# RFC 7578: a part of multipart/form-data, as it is or in a repr.
_PART = lazy(
    rf"name=(?:\\{{0,15}}[\"'])?[\w.:\[-]{{0,40}}?{ANY_NAME}\]?(?:\\{{0,15}}[\"'])?"
    rf"(?:;[^\r\n\\]{{0,120}})?{NEW_LINE}(?:content-[^\r\n\\]{{0,120}}{NEW_LINE}){{0,3}}{NEW_LINE}"
)
_PART_END = lazy(rf"{NEW_LINE}|\Z")

# "passwords": ["x", "y"], tokens=["x"].
_LIST = lazy(
    r"(?:passwords|passwds|secrets|tokens|credentials|(?:api|access|secret|private)[ _-]?keys"
    r"|(?:backup|recovery|scratch)[ _-]?codes)"
    r"(?:\\{0,15}[\"'])?[ ]?[:=][ ]?[\[({][ ]?(?=[bru]?\\{0,15}[\"'])"
)
# The same in YAML.
_YAML_LIST = lazy(
    r"(?:passwords|passwds|secrets|tokens|(?:api|access|secret|private)[ _-]?keys"
    rf"|(?:backup|recovery|scratch)[ _-]?codes):{NEW_LINE}(?=[ \t]{{0,60}}-[ ]\S)"
)
_YAML_ITEMS = lazy(rf"(?:[ \t]{{0,60}}-[ ][^\r\n\\]*(?:{NEW_LINE}|\Z|(?=\\)))+")
_YAML_END = lazy(NEW_LINE)
_FIRST_VALUE = lazy(r"\\{0,15}[\"'][ ]?:[ ]?(?=[bru]?\\{0,15}[\"'])")
_LAST_QUOTE = lazy(r"\\{0,15}[\"'][ ,]*\Z")

# requests.get(url, auth=("user", "x")), HTTPBasicAuth("user", "x").
_AUTH = lazy(r"(?:auth[\"']?[ ]?[=:][ ]?|(?:basic|digest|proxy)auth)[(\[](?=[bru]?\\{0,15}[\"'])")

# A name that says so only in a query or a form, and with a value that is long enough.
_QUERY = lazy(
    r"[?&%\\](?:(?<=[?&])(?:amp;)?|(?<=%)(?:25)?(?:26|3f)|(?<=\\)u0026)"
    r"(?:key|auth|code|session|sid|hmac|sign|appid|app_id|ticket|samlresponse|samlrequest|s)"
    r"(?:=|%(?:25)?3d)(?=[\w.~+/%-]{8})"
)
_QUERY_WORD = lazy(r"[\w.~+/=-]+(?:%(?!26|23|25(?:26|23))[\w.~+/=-]*)*")
_RANDOM = lazy(r"(?=[^0-9]*[0-9])(?=[^a-zA-Z]*[a-zA-Z])")

# A name that says little, with a value that cannot be anything else: STRIPE_KEY=…
_WEAK = lazy(
    r"(?:key|auth|session|sid)(?:\\{0,15}[\"'])?[ ]?[:=][ ]?(?:\\{0,15}[\"'])?(?=[\w+/=-]{20})"
)
_WEAK_WORD = lazy(r"[\w+/=-]+")
_PUBLIC_SID = lazy(r"[A-Z]{2}[0-9a-f]{32}(?!\w)")  # Twilio's
_LETTERS_AND_DIGITS = lazy(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=(?:\D*\d){2})")
_KEY_OF_DATA = lazy(
    r"(?:cache|websocket|partition|sort|primary|foreign|row|object|routing|idempotency|public|publishable|map"
    r"|dict|lock|dedup|event|message|index|redis|item|s3|group|storage|surrogate|request|search)"
    r"[ _.-]?\Z",
    re.IGNORECASE,
)


def _pair(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if is_harmless(text, found):
        return at, at
    opener = OPENER.match(text, at)
    if opener is not None:
        begin, end = opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))
    else:
        begin, end = at, end_of(_PAIR_WORD, text, at)
    value = text[begin : min(end, begin + 200)]
    return begin, begin if is_no_secret(value, "", is_quoted=True, is_spoken=False) else end


def _value_first(text: str, found: re.Match[str]) -> Span:
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    end = closing(text, opener.end(), opener[2], len(opener[1]))
    behind = _NAME_BEHIND.match(text, end)
    return (opener.end() if behind and is_sensitive(behind["named"]) else end), end


def _auth(text: str, found: re.Match[str]) -> Span:
    return found.end(), closing_bracket(text, found.end() - 1)


def _list(text: str, found: re.Match[str]) -> Span:
    first = OPENER.match(text, found.end())
    assert first is not None  # the pattern has seen the quote
    bracket = found.end() - 1 - (text[found.end() - 1] == " ")
    end = closing_bracket(text, bracket)
    last = _LAST_QUOTE.search(text, first.end(), end)
    begin, stop = first.end(), closing(text, first.end(), first[2], len(first[1]))
    is_mapping = False
    named = _FIRST_VALUE.match(text, stop)
    if named is not None:
        opener = OPENER.match(text, named.end())
        assert opener is not None  # the pattern has seen the quote
        is_mapping = True
        stop = closing(text, opener.end(), opener[2], len(opener[1]))
        value = text[opener.end() : stop]
    else:
        value = text[begin:stop]
    # Of a language, tokens are words; and a secret of few signs is none.
    is_word = found[0].startswith("tokens") and not (
        _LETTERS_AND_DIGITS.match(value) or (len(value) >= 16 and _DIGIT.search(value))
    )
    if is_mapping and not _DIGIT.search(value):
        return end, end
    if is_word or len(value) < 4 or is_no_secret(value, "", is_quoted=True, is_spoken=False):
        return end, end
    if is_mapping:
        # JSON with only *** in brackets would be none.
        return bracket, end + (text[end : end + 1] in tuple(")]}"))
    return begin, end if last is None else last.start()


def _yaml_list(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    end = end_of(_YAML_ITEMS, text, at)
    begin = at + text[at:end].find("- ") + 2
    value = _YAML_END.split(text[begin:end], maxsplit=1)[0].strip().strip("\"'")
    # Kubernetes' and Compose's are names; and a language's tokens are words.
    if not _DIGIT.search(value) or ":" in value:
        return end, end
    return begin, begin + len(text[begin:end].rstrip())


def _query(text: str, found: re.Match[str]) -> Span:
    end = end_of(_QUERY_WORD, text, found.end())
    value = text[found.end() : min(end, found.end() + 400)]
    is_random = (_RANDOM if len(value) >= 16 else _LETTERS_AND_DIGITS).match(value)
    return (found.end() if is_random else end), end


def _weak(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if _KEY_OF_DATA.search(text, max(0, found.start() - 20), found.start()):
        return at, at
    end = end_of(_WEAK_WORD, text, at)
    if found[0].startswith("sid") and _PUBLIC_SID.match(text, at):
        return end, end
    if found[0].startswith("auth") and _is_user_and_password(text[at:end]):
        return at, end  # Docker's and npm's
    head = text[at : min(end, at + 400)]
    # With a point or colon behind it, it is the path of a file or the name of an entry.
    is_random = text[end : end + 1] not in (".", ":") and _LETTERS_AND_DIGITS.match(head)
    return (at if is_random else end), end


def _bare(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    end = end_of(_BARE_TOKEN, text, at)
    token = text[at:end]
    if len(token) >= 20 or (len(token) >= 8 and _DIGIT.search(token)):
        return at, end
    return (at if found[0] == "basic " and _is_user_and_password(token) else end), end


def _part(text: str, found: re.Match[str]) -> Span:
    stop = _PART_END.search(text, found.end())
    end = len(text) if stop is None else stop.start()
    return (end if is_harmless(text, found) else found.end()), end


def _cell(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    before = text[max(0, found.start() - 48) : found.start()]
    # What a format puts before a message, and Python before one of an error, ends so.
    line = re.split(r" - |: ", _YAML_END.split(before)[-1])[-1]
    if line.strip(_LINE_SIGNS) or is_harmless(text, found):
        return at, at
    end = end_of(_CELL_WORD, text, at)
    # What has a digit or a capital letter within is no word, and a type has brackets.
    is_word = "(" in text[at:end] or not _CELL_VALUE.match(text, at)
    return (end if is_word else at), end


def _phrase(text: str, found: re.Match[str]) -> Span:
    return found.end(), end_of(_MNEMONIC_WORDS, text, found.end())


def _is_user_and_password(token: str) -> bool:
    """RFC 7617 2."""
    try:
        return b":" in base64.b64decode(token, validate=True)
    except ValueError:
        return False


_DIGIT = lazy(r"\d")
_BARE = lazy(
    r"(?:b(?<![a-z0-9]b)(?:earer,?|asic)|n(?<![a-z0-9]n)(?:egotiate|tlm))[ ]"
    # Not of another pair: "token_type=bearer expires_in=3600".
    r"(?![a-z_]{2,40}=[^=\s])(?=[\w.~+/=-]{8})"
)
_BARE_TOKEN = lazy(r"[\w.~+/=-]*")
_COOKIE = lazy(r"<cookie [^\s=<>]{1,128}=")
_COOKIE_END = lazy(r" for |[<>\r\n]")

# psql's expanded rows, Vault's and PowerShell's lists: a name, a gap, a word that ends the line.
_CELL = lazy(
    rf"{ANY_NAME}(?:[ ]{{0,40}}[|│][ ]|[ ]{{2,40}})"
    r"(?=[^\s|│]{6,512}[ ]{0,40}(?:[|│][ ]?)?(?:[\r\n]|\Z|\\|[\"']))"
)
_CELL_WORD = lazy(r"[^\s|│\"'\\]+")
_CELL_VALUE = lazy(r"(?!u?int\d|float\d|\d+[smhd]?(?:[\s\\]|\Z))(?=\S{0,200}\d)[^\s(]*(?:\s|\Z)")
_LINE_SIGNS = string.ascii_letters + string.digits + " _.-|│\"'"

# BIP 39: twelve words or more.
_MNEMONIC = lazy(
    r"mnemonic\w{0,10}\\{0,15}[\"']?[ ]?[:=][ ]?\\{0,15}[\"']?(?=[a-z]{3,8}(?: [a-z]{3,8}){11})"
)
_MNEMONIC_WORDS = lazy(r"[a-z]{3,8}(?: [a-z]{3,8})*", re.IGNORECASE)

COOKIE_RULE = Rule("cookie object", ("<cookie ",), _COOKIE, up_to(_COOKIE_END))
BY_NAME = (
    Rule(
        "bare credentials", ("bearer ", "bearer, ", "basic ", "negotiate ", "ntlm "), _BARE, _bare
    ),
    Rule("credentials as a pair", ("auth",), _AUTH, _auth),
    Rule("list of secrets", ("[", "(", "{"), _LIST, _list),
    Rule("random value", ("key", "auth", "session", "sid"), _WEAK, _weak),
    Rule("name and value", ("val", "content", "v="), _PAIR, _pair),
    Rule("value and name", ("val", "content"), _VALUE_FIRST, _value_first),
    Rule("part of a form", ("name=",), _PART, _part),
    Rule("mnemonic", ("mnemonic",), _MNEMONIC, _phrase),
)
"""Tried only where a name may be."""

OF_LINES = (
    Rule("list of secrets in YAML", ("s:\n", "s:\r\n", "s:\\"), _YAML_LIST, _yaml_list),
    Rule("cell of a table", ("  ", " | ", " │ "), _CELL, _cell),
)
"""The same, in texts of several lines."""

# RFC 7517, 7518 6: what of a key as JSON is private.
_JWK = lazy(r"[\"'](?:d[pq]?|[pqk]|qi)\\{0,15}[\"']:[ ]?\\{0,15}[\"'](?=[\w-]{20})")
_JWK_WORD = lazy(r"[\w=-]+")
JWK_RULE = Rule("private key in JSON", ("kty",), _JWK, word_after(_JWK_WORD))
QUERY_RULE = Rule("secret in a query", ("?", "&", "%"), _QUERY, _query)


def may_have_query(lowered: str) -> bool:
    """May QUERY_RULE find something?"""
    return "?" in lowered or "&" in lowered or "%" in lowered
