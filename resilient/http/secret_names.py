"""Names whose values are secret: of headers, parameters, arguments, fields.

The lists are one for what is masked in logs and for what counts as a credential of a request; what
is said below them is about requests only.
"""

from __future__ import annotations

import re
from functools import lru_cache

HEADERS = ("authorization", "cookie", "cookie2", "cookies")
"""Names whose whole value is secret, spaces included."""

NAMES = (
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "signature",
    "signature-256",
    "credential",
    "credentials",
    "assertion",
    *(
        f"{kind}{between}key"
        for kind in (
            *("api", "app", "application", "auth", "access", "secret", "private", "signing"),
            *("encryption", "account", "subscription", "shared", "master", "functions"),
        )
        for between in ("", "-", "_", " ", ".")
    ),
)
"""Names whose value is secret, in lower case. They are ends of names: `token` stands for
`access_token` and `X-Auth-Token` too, but not for `token_count`."""

WORDS = ("sig", "jwt", "otp", "pass")
"""Such names that too many others end with: they have to be whole words, as in `sas_sig`."""

IN_TEXTS = (
    *("pw", "passwort", "creds", "cvv", "cvv2", "cvc", "ssn", "pin", "totp", "bearer"),
    "secretstring",
    *("session_id", "session-id", "sessionid", "sessid", "session_cookie"),
    *("github_pat", "gitlab_pat", "devops_pat", "ado_pat", "code_verifier"),
    *(
        f"{kind}{between}{what}"
        for kind, what in (
            *((kind, "key") for kind in ("client", "consumer", "server", "service", "deploy")),
            *((kind, "key") for kind in ("session", "license", "webhook", "admin", "hmac", "jwt")),
            *((kind, "key") for kind in ("fernet", "ssh", "rsa", "aes", "crypto", "cipher")),
            *((kind, "key") for kind in ("storage", "security", "recovery", "cookie", "role")),
            *((kind, "key") for kind in ("write", "integration", "anon", "vault", "root")),
            *((kind, "code") for kind in ("auth", "authorization", "security", "recovery")),
            *((kind, "code") for kind in ("verification", "access", "otp", "mfa", "backup")),
            *((kind, "code") for kind in ("device", "2fa", "sms", "reset")),
        )
        for between in ("", "-", "_", " ")
    ),
    *(f"{whose}pass" for whose in ("db", "user", "root", "admin", "smtp", "mail", "ssh", "mysql")),
    *(f"{word}_{what}" for word in ("password", "pwd", "pass") for what in ("hash", "salt")),
    *("passwordhash", "passwordsalt", "pepper", "samlresponse", "requirepass", "masterauth"),
    *("basic_auth", "basic-auth", "basicauth", "http_auth", "rediscli_auth", "redis_auth"),
    *("csrf", "xsrf", "connect.sid", "pass phrase", "macaroon"),
    *("storepass", "keypass", "client-key-data", "client_key_data"),
    *(f"unseal key {number}" for number in range(1, 10)),
    *(f"{kind}{between}phrase" for kind in ("seed", "recovery") for between in ("", "_", " ")),
    *(f"social{between}security{between}number" for between in ("", "-", "_", " ")),
    *("shopify-hmac-sha256", "signature-ed25519", "signature-sha256", "access-sign", "bapi-sign"),
)
"""Further ends of names whose value should be in no log, whatever it is to a request."""

OTHER_LANGUAGES = (
    *("kennwort", "contraseña", "contrasena", "clave", "clave_secreta"),
    *("senha", "palavra-passe", "palavra_passe", "mot de passe", "mot_de_passe", "mot-de-passe"),
    *("motdepasse", "mdp", "parola", "wachtwoord", "lösenord", "passord", "hasło", "haslo"),
    *("heslo", "jelszó", "şifre", "salasana"),
    *("пароль", "密码", "密碼", "口令", "パスワード", "暗証番号", "비밀번호"),
)
"""Passwords by name where English is not spoken; ends of names as those of IN_TEXTS."""

IN_TEXTS_WHOLE = (
    *("pw", "cvc", "cvv", "cvv2", "ssn", "pin", "creds", "totp", "bearer", "pepper", "requirepass"),
    *("csrf", "xsrf"),
    *("clave", "mdp", "parola", "haslo", "heslo"),
)
"""Those of IN_TEXTS and OTHER_LANGUAGES that have to be whole words."""

_IN_REQUESTS = ("authentication", "session_id", "sessid", "access_key_id")
"""Further ends of names that say who asks."""

_WHOLE = frozenset({"key", "auth", "xauth", "session", "sid", "appid", "hmac"})
"""Names that say so only if nothing else stands there."""

HARMLESS = tuple(
    f"{kind}token"
    for kind in (
        *("page", "pagination", "next", "previous", "prev", "continuation", "cursor", "start"),
        *("skip", "sync", "delta", "change", "resume", "idempotency"),
    )
) + tuple(
    f"{kind}key"
    for kind in (
        *("idempotency", "partition", "sort", "row", "object", "cache", "surrogate", "routing"),
        *("websocket", "request", "correlation"),
    )
)
"""Ends of names that would be taken for credentials: places in a list, keys of data."""

_ACTING_FOR = (
    *("account", "tenant", "organization", "workspace", "project", "company", "merchant"),
    *("customer", "userid", "username", "useremail", "userlogin", "principal", "forwardeduser"),
    *("forwardedemail", "remoteuser", "authenticateduser", "impersonateuser", "onbehalf"),
    *("onbehalfof", "actas", "sudo", "application", "clientid", "clientcert"),
    "clientcertificate",
)
"""Ends of headers' names that tell, without a secret, whose data is asked for."""

_WHO = ("user", "email", "login", "org", "team", "profile", "identity", "subject", "scope", "dn")
"""Such names that too many others end with: they have to be whole words, as in `Select-User`."""

_LONGEST = 64


def _letters(name: str) -> str:
    return re.sub(r"[\W_]+", "", name)


_ENDS = tuple(dict.fromkeys(map(_letters, (*HEADERS, *NAMES, *_IN_REQUESTS))))
_WORD = re.compile(rf"(?:^|[\W_])(?:{'|'.join(WORDS)})\d{{0,2}}\Z")
_IN_HEADERS = tuple(
    dict.fromkeys((*_ACTING_FOR, *(_letters(n) for n in IN_TEXTS if n not in IN_TEXTS_WHOLE)))
)
_HEADER_WORD = re.compile(rf"(?:^|[\W_])(?:{'|'.join((*_WHO, *IN_TEXTS_WHOLE))})(?:[-_]?id)?\Z")
_OWN_KEY = re.compile(r"x[-_](?:.*[-_])?key\Z", re.DOTALL)


@lru_cache(maxsize=1024)
def _is_credential(name: str) -> bool:
    name = name.lower()
    letters = _letters(name)
    if letters.endswith(HARMLESS):
        return False
    # As in `password2`; signature-256 is whole in the list.
    ends = letters.endswith(_ENDS) or re.sub(r"\d{1,2}\Z", "", letters).endswith(_ENDS)
    return (
        ends
        or letters in _WHOLE
        or _WORD.search(name) is not None
        or _OWN_KEY.match(name) is not None
    )


def is_credential(name: str) -> bool:
    """Does a parameter or a header of this name say, by a secret, who sends a request?

    Authorization and cookies; what NAMES and WORDS list; `key`, `auth`, `session` and the like by
    themselves; `X-…-Key`. Not the tokens of pages and the keys of data.
    """
    return _is_credential(name[-_LONGEST:])


@lru_cache(maxsize=1024)
def _says_who(name: str) -> bool:
    name = name.lower()
    letters = _letters(name)
    if letters.endswith(HARMLESS):
        return False
    return (
        _is_credential(name)
        or letters.removeprefix("x") in _WHOLE
        or letters.removesuffix("id").endswith(_IN_HEADERS)
        or letters.endswith(_IN_HEADERS)
        or _HEADER_WORD.search(name) is not None
    )


def says_who(name: str) -> bool:
    """Does a header of this name say who asks, or for whom: also `Stripe-Account`, `Sudo` …?

    A header that no log should show is a credential too, whatever a parameter of its name is.
    """
    return _says_who(name[-_LONGEST:])
