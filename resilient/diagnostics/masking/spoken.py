"""What follows a sensitive name and is no secret: "token: expired", `token=self.token`, `<hidden>`.

Wherever it is not certain, it is a secret.
"""

from __future__ import annotations

import re

from resilient.diagnostics.masking.names import is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing, closing_bracket

_NOTHING = frozenset(
    (
        *("none", "null", "nil", "true", "false", "undefined", "str", "bytes", "string", "int"),
        *("secretstr", "yes", "no", "n/a", "-", "--", "missing", "empty", "unset", "required"),
        *("invalid", "expired", "optional", "redacted", "masked", "hidden", "filtered", "absent"),
        *("valid", "present", "unknown", "ok", "on", "off", "enabled", "disabled", "set", "found"),
        *("provided", "failed", "wrong", "incorrect", "changed", "revoked", "rotated", "ignored"),
        *("skipped",),
    )
)
"""Values that are none, where no quotes say that they are."""

_SAID = frozenset(
    (
        *("the", "a", "an", "this", "that", "your", "it", "is", "was", "are", "has", "have", "be"),
        *("not", "must", "may", "can", "cannot", "can't", "could", "should", "will", "does", "did"),
        *("unable", "failed", "failure", "error", "bad", "wrong", "incorrect", "malformed"),
        *("mismatch", "rejected", "denied", "revoked", "unknown", "unsupported", "unauthorized"),
        *("forbidden", "timeout", "found", "set", "present", "ok", "valid", "too", "please"),
        *("enter", "at", "for", "from", "in", "of", "on", "off", "by", "to", "and", "or", "with"),
        *("without", "already", "used", "issued", "refreshed", "rotated", "created", "generated"),
        *("deleted", "changed", "updated", "reset", "sent", "removed", "refresh", "refreshing"),
        *("signature", "token", "cookie", "header", "http", "https", "see", "use", "using"),
        *("expires", "expiring", "default", "provided", "no", "only", "if", "when", "verified"),
        *("verification", "validation", "decoding", "loaded", "loading", "connection", "access"),
        *(
            "disabled",
            "enabled",
            "authentication",
            "expected",
            "got",
            "computed",
            "def",
            "include",
            "blocked",
        ),
        *("omit", "same-origin", "eof", "received", "any", "all", "both", "what", "which"),
    )
)
"""First words of what an error message says of a secret, behind a colon and a space."""

# A sentence begins with a capital letter and ends with a period; a passphrase hardly does.
_SENTENCE = lazy(
    r"""(?:\\{0,15}["'])?(?:[A-Z][a-z']+(?:,? [A-Za-z0-9'"-]{1,20}){2,24}[.!][ ]?){1,3}"""
    r"""(?:\\{0,15}["'])?"""
)
_REFUSED = lazy(
    r"(?:\\{0,15}[\"'])?(?:Invalid|Expired|Missing|Wrong|Incorrect|Unknown) [a-z]{3,12}\.?"
    r"(?:\\{0,15}[\"'])?"
)
_PLACEHOLDER = lazy(
    r"(?:(?:bearer|basic|token)[ ])?(?:"
    r"\{[a-z_][a-z_.]{0,30}(?:![rs])?\}|\$\{\{?[\w. -]{1,40}\}?\}"
    r"|\$\{\w{1,40}:[-?]\}|\$\((?!echo|printf)[\w./ -]{1,80}\)"
    r"|\$[A-Z_]{3,40}|%\([a-z_]{1,30}\)s|(?-i:%[sdrv])|<[a-z][a-z _-]{0,30}>"
    r"|\[[a-z ]{0,20}\]|\*{2,64}|[xX]{3,64}"
    r"|sensitive value|known after apply"  # Terraform's
    # Jinja's and GitHub's; YAML's tags; a model's field.
    r"|\{\{[ \w.|()'\"-]{1,60}\}\}"
    # A scheme to which a token is added, a version of a package, a place in Terraform's state.
    r"|(?:bearer|basic|token)[ ]|[~^>=]{1,2}\d{1,4}(?:\.\d{1,5}){1,3}"
    r"|(?:data|module)\.[a-z]\w{1,60}(?:\.[a-z]\w{0,60}){1,4}"
    r"|!(?:vault|secret|env|encrypted|ref|sub)(?: [|>])?"
    r"|[A-Za-z_][\w.]{0,60}\((?:\.{3},?[ ]?|None,?[ ]?)?"
    r"(?:\w{1,30}=(?:\d{1,5}|True|False|None)(?:,[ ])?){0,6}\)"
    r"|\.{3}|…|•{3,64})",
    re.IGNORECASE,
)
# Of statements with parameters.
_PARAMETER = lazy(
    r"[:@]\w{0,20}(?:password|passwd|pwd|token|secret|key|hash)\w{0,10}|\$\d{1,2}|\?", re.IGNORECASE
)
_WHOLE_PLACEHOLDER = lazy(
    rf"(?:{_PLACEHOLDER.pattern}|{_PARAMETER.pattern})(?![\w.~+/=*-])", re.IGNORECASE
)
_TYPE = lazy(r"(?:typing\.)?(?:Optional|Union|Annotated|list|dict|List|Dict)\[[\w., \[\]]+\]?")

_FOLDER = lazy(r"(?:/[a-z][\w.@-]{0,40}){1,12}/?|/|~")  # the shell's PWD
_PATH = lazy(r"[A-Za-z_][\w.]{0,80}")
_LOOKUP = lazy(
    # os.environ["X"], config.get('x'), getpass.getpass("Password: ")
    r"[A-Za-z_][\w.]{0,60}(?:\[|\.get[A-Za-z]{0,30}\(|(?<=getenv)\(|(?<=getpass)\("
    r"|(?<=input)\()[ ]?"
    r"""(?P<quote>\\{0,15}["'])[\w .:?-]{0,64}(?P=quote)(?:, ?(?:None|""|''))?[\])]"""
)
_CALL = lazy(
    r"(?:[A-Za-z_]\w{0,40}\.){0,4}_{0,2}(?:(?:get|load|read|fetch|create|make|build|generate|new|refresh|"
    r"find|decode|encode|parse|validate)_\w{1,40}|token_(?:hex|urlsafe|bytes)|getpass|uuid4|read|"
    r"strip|decode|encode)\((?:[\w., =]|=\\{0,15}[\"'][a-z/:_-]{0,40}\\{0,15}[\"']){0,80}\)"
    # strings.TrimSpace(line)
    r"|(?:[A-Za-z_]\w{0,40}\.){0,4}[A-Za-z_]\w{0,40}\((?:[a-z_][A-Za-z_.]{0,40}(?:, ?)?){0,3}\)"
)
_OR = lazy(
    r"[ ](?:or|\|\||\?\?|if[ ][\w.() ]{1,40}[ ]else)[ ](?=[bru]?\\{0,15}[\"'])", re.IGNORECASE
)
_CONDITION = lazy(r"[ ]if[ ][\w.() ]{1,40}[ ]else[ ]None(?!\w)")
_CONSTRUCTOR = lazy(r"""[A-Za-z_][\w.]{0,60}\((?=[bruf]{0,2}["']|\w{1,30}=["'])""")


def is_no_secret(value: str, name: str, *, is_quoted: bool, is_spoken: bool) -> bool:
    """Does this say that there is no secret, or where one is?

    is_quoted: it stood in quotes or brackets. is_spoken: it stood behind a colon and a space.
    """
    lowered = value.lower()
    if (
        (not is_quoted and (lowered in _NOTHING or _PARAMETER.fullmatch(value)))
        or _PLACEHOLDER.fullmatch(value)
        or _TYPE.fullmatch(value)
    ):
        return True
    if is_quoted and name != "pin":
        return bool(_SENTENCE.fullmatch(value) or _REFUSED.fullmatch(value))
    if is_spoken and lowered in _SAID:
        return True
    if name == "pin":
        return not (value.isdigit() and 4 <= len(value) <= 8)
    if name == "pwd":
        return _FOLDER.fullmatch(value) is not None
    # As in "tests: pass=12 fail=0", signal 11, and the fifth token of a line.
    is_number = name in ("pass", "pw", "sig") or (name == "token" and is_spoken)
    return is_number and value.isdigit() and len(value) < 4


def is_said(word: str) -> bool:
    """May an error message say this word of a secret, behind a colon?"""
    return word.lower() in _NOTHING or word.lower() in _SAID


def source_end(text: str, at: int, name: str) -> tuple[int, int] | None:
    """What to mask of a source line's expression; None if it isn't one.

    `token=self.token` and `token=os.environ["TOKEN"]` have nothing to hide, `SecretStr("x")` has.
    """
    for pattern in (_LOOKUP, _CALL, _WHOLE_PLACEHOLDER):
        found = pattern.match(text, at)
        if found is not None:
            return _otherwise(text, found.end()) or (found.end(), found.end())
    found = _PATH.match(text, at)
    if found is not None:
        otherwise = _otherwise(text, found.end())
        if otherwise is not None:
            return otherwise
        if _CONDITION.match(text, found.end()):
            return found.end(), found.end()
    found = _CONSTRUCTOR.match(text, at)
    if found is not None:
        opener = OPENER.match(text, found.end())
        if opener is not None:
            end = closing(text, opener.end(), opener[2], len(opener[1]))
            if text.startswith(")", end + len(opener[1]) + len(opener[2])):
                is_hidden = text[opener.end() : end].strip("*") == ""
                return end if is_hidden else opener.end(), end
        end = closing_bracket(text, found.end() - 1)
        return found.end(), end
    found = _PATH.match(text, at)
    if found is None or text[found.end() : found.end() + 1] not in ("", *" ,;)]}\n\r:\"'\\"):
        return None
    value = found[0].rstrip(".")
    last = value.rpartition(".")[2]
    if value.lower() == name or (("_" in value or "." in value) and _is_variable(last, value)):
        return found.end(), found.end()
    return None


def _otherwise(text: str, at: int) -> tuple[int, int] | None:
    """`os.getenv("X") or "x"`, `cfg.key if cfg else "x"`: a text instead of what may be missing."""
    found = _OR.match(text, at)
    if found is None:
        return None
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    end = closing(text, opener.end(), opener[2], len(opener[1]))
    return (opener.end() if end - opener.end() >= 4 else end), end


def _is_variable(last: str, value: str) -> bool:
    return is_sensitive(last) and not any(sign.isdigit() for sign in value)
