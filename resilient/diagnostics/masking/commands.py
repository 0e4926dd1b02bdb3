"""Secrets in command lines, as a shell shows them and as Python lists them."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.names import ANY_NAME, is_harmless
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing
from resilient.diagnostics.masking.rule import Rule, end_of
from resilient.diagnostics.masking.spoken import is_no_secret

# --password x, -storepass x, and what tools take as `config set password x`.
_OPTION = lazy(
    rf"(?P<how>-(?<![\w-]-)-?[\w-]{{0,40}}?|conf(?:ig|igure)[ ]set[ ][\w./:-]{{0,80}}?"
    rf"|env[ ]\w{{0,60}}?|setx[ ]\w{{0,60}}?){ANY_NAME}[ \t]{{1,4}}(?![-|\[<$])(?=\S)"
)

# Between two arguments: a space, or what a list has there.
_S = r"""(?:[ ]{1,4}|["'],[ ]?[bru]?["'])"""
_ANY = r"[^\r\n|;]"


def _program(names: str, option: str) -> str:
    return rf"(?:{names}){_S}(?:{_ANY}{{0,300}}?(?<=[ \"']))??(?:{option})"


_PROGRAM = lazy(
    "|".join(
        (
            _program(
                "curl|wget|https?",
                rf"(?:-u|--user|--proxy-user|-a|--auth)(?:{_S}|=)?"
                r"(?P<quote>\\{0,15}[\"'])?[^\s:\"'\\]{1,80}:"
                rf"|(?:-b|--cookie)(?:{_S}|=)?(?=[\"']?[^\s\"'=;]{{1,40}}=)",
            ),
            _program(
                "sshpass|redis-cli|(?:docker|podman|nerdctl|oras|skopeo|buildah)[ ]login"
                "|helm[ ]registry[ ]login|valkey-cli",
                rf"-[pa]{_S}?",
            ),
            _program(
                "mongo(?:sh|dump|restore|export|import|stat|top)?|az[ ]login|twine[ ]upload|useradd"
                "|usermod|sqlcmd|bcp|mosquitto_pub|mosquitto_sub|ipmitool|cqlsh|impacket",
                rf"-p{_S}",
            ),
            _program(
                "mysql|mysqldump|mysqladmin|mysqlimport|mariadb|mariadb-dump", r"-p(?=[^\s\"'])"
            ),
            _program("ldap(?:search|modify|add|delete|whoami|passwd|compare)", rf"-w{_S}"),
            _program("snmp(?:walk|get|getnext|set|bulkwalk|trap)", rf"-[axc]{_S}"),
            _program("gh[ ]secret[ ]set", rf"(?:-b|--body)(?:{_S}|=)"),
            _program("(?:un)?zip|7z[ar]?", rf"-p(?:(?<=zip -p){_S})?"),
            _program("openssl", rf"-pass(?:in|out)?{_S}pass:"),
            _program(
                "(?:smbclient|rpcclient|smbmap|net|wmic)", rf"-u{_S}?[\"']?[\w.\\/@-]{{1,80}}%"
            ),
            _program(
                "htpasswd",
                rf"-\w{{0,6}}b\w{{0,6}}{_S}(?:-\w{{1,8}}{_S})?[^\s\"'-]\S{{0,80}}?{_S}"
                rf"[\w.@-]{{1,80}}{_S}",
            ),
            r"convertto-securestring[ ](?:-string[ ])?(?=[\"'])",
            r"net[ ]use[ ](?:\w:|\*)[ ]\\{2,4}[^\s]{1,80}[ ](?=[^\s/]{1,80}[ ]/user:)",
            r"net[ ]use[ ][^\r\n]{0,80}?/user:[^\s]{1,80}[ ](?=[^\s/])",
            r"net[ ]user[ ][\w.@-]{1,80}[ ](?=[^\s/\d]{0,64}\d)",
            r"echo[ ](?:-[ne]{1,2}[ ])?(?=[^|\r\n]{1,200}\|[ ]{0,4}"
            r"(?:sudo[ ](?:-\w{1,4}[ ]){0,3}?-s\b|(?:sudo[ ])?chpasswd|(?:sudo[ ])?passwd[ ]--stdin"
            r"|(?:docker|podman|helm|oras)[ ][^|\r\n]{0,120}--password-stdin))",
        )
    )
)
_WORD = lazy(r"""[^\s"'|;&]+""")
# SNMP's key for privacy follows the one for authentication.
_SECOND = lazy(r"(?:[ ]-\w[ ][^\s\"'|;&]{1,80}){0,3}?[ ]-X[ ][^\s\"'|;&]{1,256}")
_OPENING = lazy(r"\\{0,15}[\"']")
_PIPED = lazy(r"[^|\r\n]*")
_PROSE = frozenset(("flag", "option", "argument", "parameter", "options", "switch", "instead"))
# As in a usage message: --token TOKEN, --file FILE.
_METAVARIABLE = lazy(r"[A-Z][A-Z_]{2,20}")


def _option(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    if is_harmless(text, found):
        return at, at
    if found["how"].startswith("env") and not text.startswith("ENV", found.start()):
        return at, at  # only Dockerfile's
    opener = OPENER.match(text, at)
    if opener is not None:
        return opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))
    end = end_of(_WORD, text, at)
    value = text[at : min(end, at + 200)].rstrip(".,:)]")
    is_prose = (
        is_no_secret(value, "", is_quoted=False, is_spoken=True)
        or value.lower() in _PROSE
        or _METAVARIABLE.fullmatch(value)
    )
    return at, at if is_prose else max(at, end)


def _argument(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    if found[0].startswith("echo"):
        return _piped(text, at)
    if found[0].startswith(("zip", "unzip")) and "-P" not in text[found.start() : at]:
        return at, at  # unzip -p writes to a pipe
    if found["quote"]:
        end = closing(text, at, found["quote"][-1], len(found["quote"]) - 1)
        is_variable = is_no_secret(text[at:end][:200], "", is_quoted=True, is_spoken=False)
        return (end if is_variable else at), end
    if text[at - 1] in "\"'":
        return at, closing(text, at, text[at - 1], 0)
    opener = OPENER.match(text, at)
    if opener is not None:
        return opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))
    end = end_of(_WORD, text, at)
    if is_no_secret(text[at:end][:200], "", is_quoted=False, is_spoken=False):
        return end, end
    return at, end_of(_SECOND, text, end) if found[0].startswith("snmp") else end


def _piped(text: str, at: int) -> tuple[int, int]:
    """echo x | sudo -S, echo "user:x" | chpasswd."""
    end = end_of(_PIPED, text, at)
    said = text[at:end].rstrip()
    begin = end_of(_OPENING, text, at)
    end = at + len(said.rstrip("\\\"'"))
    if text[end : end + 60].partition("|")[2].lstrip().removeprefix("sudo ").startswith("chp"):
        begin += max(0, text[begin:end].find(":") + 1)
    return begin, end


OPTION_RULE = Rule(
    "command line option", (" -", "'-", '"-', "set ", "setx ", "env "), _OPTION, _option
)
PROGRAM_RULE = Rule(
    "option of a program",
    (
        *(" -u", " -p", " -a", " -w", " -x", " -b", " -c ", " --", "'-", '"-'),
        *("echo ", "htpasswd ", "net use", "convertto-sec"),
    ),
    _PROGRAM,
    _argument,
)


_HINT = lazy(r"-(?<=[ '\"]-)[a-z-]|conf(?:ig|igure) set|e(?:cho |nv |tx )|net use")


def may_have_option(lowered: str) -> bool:
    """May there be a program with an option for a password?"""
    return _HINT.search(lowered) is not None
