"""Further ways to write a named value: markup, pairs of name and value, command lines, prose."""

from __future__ import annotations

import base64
import re

from resilient.diagnostics.masking.names import ANY_NAME, is_harmless, is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing, closing_bracket
from resilient.diagnostics.masking.rule import Rule, end_of, up_to
from resilient.diagnostics.masking.spoken import is_no_secret, is_said

Span = tuple[int, int]

# <db:Password type="plain">…</db:Password>, also escaped or with CDATA.
_ELEMENT = lazy(
    rf"{ANY_NAME}(?:[ \t][^<>\r\n]{{0,120}})?(?<!/)(?:>|&gt;)"
    r"(?:\s{0,40}(?:<!\[cdata\[|&lt;!\[cdata\[))?(?=[^<\s&\"'\\])"
)
_TAG = lazy(r"(?:<|&lt;)[\w:.-]{0,40}\Z")
_ELEMENT_END = lazy(r"\]\]>|<|&lt;|[\r\n]|\Z")

# {"name": "password", "value": "x"}, <input name=password value=x>, Key=Password,Value=x.
_PAIR = lazy(
    rf"(?:name|key|field|parameter|param|header|k|id)(?:\\{{0,15}}[\"'])?[ ]?[:=][ ]?"
    rf"[bru]?(?:\\{{0,15}}[\"'])?[\w.:-]{{0,40}}?{ANY_NAME}(?:\\{{0,15}}[\"'])?"
    r"(?:[ ]?[,;][ ]?|[ ])(?:[\w-]{1,20}=[\"']?[\w-]{0,20}[\"']?[ ]){0,2}"
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
_NEW_LINE = r"(?:\r?\n|\\r\\n|\\n)"
_PART = lazy(
    rf"name=(?:\\{{0,15}}[\"'])?[\w.:\[-]{{0,40}}?{ANY_NAME}\]?(?:\\{{0,15}}[\"'])?"
    rf"(?:;[^\r\n\\]{{0,120}})?{_NEW_LINE}(?:content-[^\r\n\\]{{0,120}}{_NEW_LINE}){{0,3}}{_NEW_LINE}"
)
_PART_END = lazy(rf"{_NEW_LINE}|\Z")

# --password x, and what some programs take as -u, -p or -a.
_OPTION = lazy(rf"--[\w-]{{0,40}}?{ANY_NAME}[ \t]{{1,4}}(?![-|\[<$])")
_PROGRAM = lazy(
    r"(?:curl|wget)[ ](?:[^\r\n|;]{0,300}?[ ])??(?:-u|--user|--proxy-user)[ =]?[\"']?"
    r"[^\s:\"']{1,80}:"
    r"|(?:sshpass|redis-cli|docker login|helm registry login)[ ](?:[^\r\n|;]{0,200}?[ ])??-[pa][ ]?"
    r"|(?:mysql|mysqldump|mysqladmin|mariadb)[ ](?:[^\r\n|;]{0,200}?[ ])??-p(?=[^\s])"
    r"|openssl[ ][^\r\n|;]{0,200}?-pass(?:in|out)?[ ]pass:"
)
_OPTION_WORD = lazy(r"""[^\s"'|;&]+""")

# "passwords": ["x", "y"], tokens=["x"].
_LIST = lazy(
    r"(?:passwords|passwds|secrets|tokens|credentials|(?:api|access|secret|private)[ _-]?keys)"
    r"(?:\\{0,15}[\"'])?[ ]?[:=][ ]?[\[({][ ]?(?=[bru]?\\{0,15}[\"'])"
)
_LAST_QUOTE = lazy(r"\\{0,15}[\"'][ ,]*\Z")

# requests.get(url, auth=("user", "x")), HTTPBasicAuth("user", "x").
_AUTH = lazy(r"(?:auth[\"']?[ ]?[=:][ ]?|(?:basic|digest|proxy)auth)[(\[](?=[bru]?\\{0,15}[\"'])")

# password 'x', .netrc's login u password x, IDENTIFIED BY 'x', "the password is x1y2".
_SQL = lazy(
    r"identified(?:[ ]with[ ][\w\"'`]{1,40})?[ ]by[ ](?:password[ ])?(?=[\"'])"
    r"|(?:alter|create)[ ](?:user|role|login)[ ][^\r\n;]{1,100}?[ ]password[ ]?=?[ ]?(?=[\"'])"
    r"|set[ ]password[ ](?:for[ ][\w\"'`@%.-]{1,80}[ ])?=[ ]?(?=[\"'])"
)
_SAID = lazy(
    r"login[ ][^\s]{1,80}[ ]password[ ](?=[^\s])"
    r"|(?:password|passwd|passphrase|passcode|secret|api[ _-]?key|token|pwd)"
    r"(?:[ ](?:is|was|of|to|=))?[ ](?=(?P<said>[bru]?[\"'`]|[^\s\"'`]))"
)
_SAID_HINTS = (
    *("password ", "passwd ", "passphrase ", "passcode ", "secret ", "token ", "key ", "pwd "),
)
_SAID_WORD = lazy(r"[^\s\"'`,;()<>]{1,512}")
_MIXED = lazy(r"(?=[^a-zA-Z]*[a-zA-Z])(?=\D*\d)[\w.~!@#$%^&*+/=-]{6,512}")
_ALGORITHM = lazy(
    r"(?:sha|md|hs|rs|es|ps|aes|utf|base|argon|bcrypt|pbkdf|rfc|http|oauth|v)-?_?\d", re.IGNORECASE
)

# A name that says so only in a query or a form, and with a value that is long enough.
_QUERY = lazy(
    r"[?&%\\](?:(?<=[?&])(?:amp;)?|(?<=%)(?:25)?(?:26|3f)|(?<=\\)u0026)"
    r"(?:key|auth|code|session|sid|hmac|appid|app_id|ticket|samlresponse|samlrequest|s)"
    r"(?:=|%(?:25)?3d)(?=[\w.~+/%-]{16})"
)
_QUERY_WORD = lazy(r"[\w.~+/=-]+(?:%(?!26|23|25(?:26|23))[\w.~+/=-]*)*")
_RANDOM = lazy(r"(?=[^0-9]*[0-9])(?=[^a-zA-Z]*[a-zA-Z])")

# A name that says little, with a value that cannot be anything else: STRIPE_KEY=…
_WEAK = lazy(
    r"(?:key|auth|session)(?:\\{0,15}[\"'])?[ ]?[:=][ ]?(?:\\{0,15}[\"'])?(?=[\w+/=-]{20})"
)
_WEAK_WORD = lazy(r"[\w+/=-]+")
_LETTERS_AND_DIGITS = lazy(r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=(?:\D*\d){2})")
_KEY_OF_DATA = lazy(
    r"(?:cache|partition|sort|primary|foreign|row|object|routing|idempotency|public|publishable|map"
    r"|dict|lock|dedup|event|message|index|redis|item|s3|group|storage|surrogate|request|search)"
    r"[ _.-]?\Z",
    re.IGNORECASE,
)


def _element(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if not _TAG.search(text, max(0, found.start() - 45), found.start()):
        return at, at
    stop = _ELEMENT_END.search(text, at)
    end = len(text) if stop is None else stop.start()
    value = text[at : min(end, at + 200)]
    return at, at if is_no_secret(value, "", is_quoted=True, is_spoken=True) else end


def _pair(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if is_harmless(found.string, found.start("name"), found.end("name")):
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


def _option(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    opener = OPENER.match(text, at)
    if opener is not None:
        return opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))
    before = text[at - 1 : at]
    end = end_of(_OPTION_WORD, text, at)
    value = text[at : min(end, at + 200)].rstrip(".,:)]")
    is_prose = is_no_secret(value, "", is_quoted=False, is_spoken=True) or value.lower() in _PROSE
    return at, at if is_prose and before != ":" else max(at, end)


_PROSE = frozenset(("flag", "option", "argument", "parameter", "options", "switch", "instead"))


def _auth(text: str, found: re.Match[str]) -> Span:
    return found.end(), closing_bracket(text, found.end() - 1)


def _list(text: str, found: re.Match[str]) -> Span:
    first = OPENER.match(text, found.end())
    assert first is not None  # the pattern has seen the quote
    bracket = found.end() - 1 - (text[found.end() - 1] == " ")
    end = closing_bracket(text, bracket)
    last = _LAST_QUOTE.search(text, first.end(), end)
    value = text[first.end() : closing(text, first.end(), first[2], len(first[1]))]
    # Of a language, tokens are words; and a secret of few signs is none.
    is_word = found[0].startswith("tokens") and not (len(value) >= 16 and _DIGIT.search(value))
    if is_word or len(value) < 4 or is_no_secret(value, "", is_quoted=True, is_spoken=False):
        return end, end
    return first.end(), end if last is None else last.start()


def _sql(text: str, found: re.Match[str]) -> Span:
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    return opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))


def _said(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if found["said"] is None:
        end = end_of(_SAID_WORD, text, at)
        return at, at if is_said(text[at:end]) else end
    before = text[max(0, found.start() - 11) : found.start()].lower()
    if before.endswith(("unexpected ", "invalid-")):
        return at, at
    is_password = found[0].startswith("pass")
    quote = OPENER.match(text, at) if found["said"] != "`" else None
    begin = at + 1 if found["said"] == "`" else quote.end() if quote else at
    end = end_of(_SAID_WORD, text, begin)
    value = text[begin:end].rstrip(".:!?")
    is_told = found[0].endswith((" is ", " was ", " = "))
    shortest = 6 if is_password else 8 if is_told else 16
    if len(value) < shortest or not _MIXED.fullmatch(value) or _ALGORITHM.match(value):
        return begin, begin
    if not is_password and (sum(map(str.isdigit, value)) < 2 or "/" in value or "." in value):
        return begin, begin
    return begin, begin + len(value)


def _query(text: str, found: re.Match[str]) -> Span:
    end = end_of(_QUERY_WORD, text, found.end())
    is_random = _RANDOM.match(text[found.end() : min(end, found.end() + 400)])
    return (found.end() if is_random else end), end


def _weak(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if _KEY_OF_DATA.search(text, max(0, found.start() - 20), found.start()):
        return at, at
    end = end_of(_WEAK_WORD, text, at)
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


def _is_user_and_password(token: str) -> bool:
    """RFC 7617 2."""
    try:
        return b":" in base64.b64decode(token, validate=True)
    except ValueError:
        return False


_DIGIT = lazy(r"\d")
_BARE = lazy(r"b(?<![a-z0-9]b)(?:earer|asic)[ ](?=[\w.~+/=-]{8})")
_BARE_TOKEN = lazy(r"[\w.~+/=-]*")
_COOKIE = lazy(r"<cookie [^\s=<>]{1,128}=")
_COOKIE_END = lazy(r" for |[<>\r\n]")

COOKIE_RULE = Rule("cookie object", ("<cookie ",), _COOKIE, up_to(_COOKIE_END))
BY_NAME = (
    Rule("bare credentials", ("bearer ", "basic "), _BARE, _bare),
    Rule("credentials as a pair", ("auth",), _AUTH, _auth),
    Rule("list of secrets", ("[", "(", "{"), _LIST, _list),
    Rule("random value", ("key", "auth", "session"), _WEAK, _weak),
    Rule("command line option", ("--",), _OPTION, _option),
    Rule("element of markup", (">", "&gt;"), _ELEMENT, _element),
    Rule("name and value", ("val", "content", "v="), _PAIR, _pair),
    Rule("value and name", ("val", "content"), _VALUE_FIRST, _value_first),
    Rule("part of a form", ("name=",), _PART, up_to(_PART_END)),
    Rule("secret in a sentence", _SAID_HINTS, _SAID, _said),
)
"""Tried only where one of HINTS is."""

OTHERS = (
    Rule("secret in a query", ("?", "&", "%"), _QUERY, _query),
    Rule("option of a program", (" -u", " -p", " -a", " --"), _PROGRAM, _option),
    Rule("password in SQL", ("identified ", " password"), _SQL, _sql),
)


def may_have_option(lowered: str) -> bool:
    """May OTHERS find something?"""
    return (
        "?" in lowered
        or "&" in lowered
        or "%" in lowered
        or " -u" in lowered
        or " -p" in lowered
        or " -a" in lowered
        or " --" in lowered
        or "identified " in lowered
        or " password" in lowered
    )
