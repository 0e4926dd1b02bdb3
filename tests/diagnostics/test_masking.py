from __future__ import annotations

import json
import re
import traceback
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.diagnostics.masking import (
    MASK,
    RULES,
    SHAPES,
    Figures,
    add_rule,
    allow,
    allow_names,
    is_sensitive,
    mask,
    masked,
)
from resilient.diagnostics.masking import data as masking_data
from resilient.diagnostics.masking.names import first_hint
from resilient.errors import ConfigurationError
from resilient.http.learned import learn
from resilient.http.secret_names import HEADERS, IN_TEXTS, NAMES, OTHER_LANGUAGES, WORDS

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer s3cr3t", "Authorization: ***"),
        ("Authorization: s3cr3t", "Authorization: ***"),
        ("Authorization: Bearer s3cr3t failed with 401", "Authorization: *** failed with 401"),
        ("authorization: token s3cr3t\nAccept: */*", "authorization: ***\nAccept: */*"),
        ("Proxy-Authorization: Basic czNjcjN0\nHost: x", "Proxy-Authorization: ***\nHost: x"),
        ('Authorization: Digest username="u", response="s3cr3t"\nA: b', "Authorization: ***\nA: b"),
        ('Authorization: Token token="s3cr3t"', "Authorization: ***"),
        ("{'Authorization': 'Bearer s3cr3t', 'A': 'b'}", "{'Authorization': '***', 'A': 'b'}"),
        ("{'authorization': b'Bearer s3cr3t', 'A': 1}", "{'authorization': b'***', 'A': 1}"),
        ('{"Authorization": "Bearer s3cr3t", "A": 1}', '{"Authorization": "***", "A": 1}'),
        ("[('Authorization', 'Bearer s3cr3t'), ('A', 1)]", "[('Authorization', '***'), ('A', 1)]"),
        (
            r"send: b'GET /\r\nAuthorization: Bearer s3cr3t\r\nHost: x\r\n'",
            r"send: b'GET /\r\nAuthorization: ***\r\nHost: x\r\n'",
        ),
        ("curl -H 'Authorization: Bearer s3cr3t' https:", "curl -H 'Authorization: ***' https:"),
        ("X-API-Key: s3cr3t", "X-API-Key: ***"),
        ("X-Vault-Token: s3cr3t", "X-Vault-Token: ***"),
        ("Ocp-Apim-Subscription-Key: s3cr3t", "Ocp-Apim-Subscription-Key: ***"),
        ("X-Hub-Signature-256: sha256=s3cr3t", "X-Hub-Signature-256: ***"),
        ("Cookie: a=s3cr3t; b=s3cr3t\nA: b", "Cookie: ***\nA: b"),
        ("Set-Cookie: sid=s3cr3t; Path=/", "Set-Cookie: ***"),
        ("curl -H 'Cookie: a=s3cr3t; b=c' https://x", "curl -H 'Cookie: ***' https://x"),
        ("get(cookies={'a': 's3cr3t', 'b': {'c': ']'}}, n=1)", "get(cookies={***}, n=1)"),
        ("<Cookie sid=s3cr3t for api.x.com/>", "<Cookie sid=*** for api.x.com/>"),
        ("rejected Bearer abcd1234efgh5678", "rejected Bearer ***"),
        ("rejected Basic dXNlcjpwYXNzd29yZA==", "rejected Basic ***"),
    ],
)
def test_headers_are_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://bob:s3cr3t@host/p?x=1", "https://bob:***@host/p?x=1"),
        ("redis://:s3cr3t@host:6379/0", "redis://:***@host:6379/0"),
        ("amqp+ssl://bob:p@s3cr3t@host//vhost", "amqp+ssl://bob:***@host//vhost"),
        ("postgres://bob:pa/s3cr3t@host/db", "postgres://bob:***@host/db"),
        ("https://s3cr3t@github.com/x.git", "https://***@github.com/x.git"),
        (r'{"url": "https:\/\/bob:s3cr3t@host"}', r'{"url": "https:\/\/bob:***@host"}'),
        ("next=https%3A%2F%2Fbob%3As3cr3t%40host%2F", "next=https%3A%2F%2Fbob%3A***%40host%2F"),
        ("https://a:s3cr3t@x https://b:s3cr3t@y", "https://a:***@x https://b:***@y"),
    ],
)
def test_credentials_in_urls_are_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    "name",
    [
        *("token", "access_token", "refresh_token", "X-Auth-Token", "githubToken", "TOKEN"),
        *("api_key", "apikey", "api-key", "apiKey", "OPENAI_API_KEY", "secret_access_key"),
        *("client_secret", "secret", "password", "passwd", "pwd", "DB_PASS", "password2"),
        *("signature", "sig", "X-Amz-Signature", "jwt", "credentials", "client_assertion"),
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "failed with {}=s3cr3t, giving up",
        "{}: s3cr3t",
        "GET /x?a=1&{}=s3cr3t&b=2 failed",
        "{}%3Ds3cr3t%26b%3D2",
        "{}%253Ds3cr3t%2526b%253D2",
        "%7B%22{}%22%3A%22s3cr3t%22%2C%22b%22%3A2%7D",
        '{{"{}": "s3cr3t", "b": 2}}',
        '{{"{}":"s3cr3t","b":2}}',
        r'"{{\"{}\": \"s3cr3t\", \"b\": 2}}"',
        r'"{{\\\"{}\\\": \\\"s3cr3t\\\", \\\"b\\\": 2}}"',
        "{{'{}': 's3cr3t', 'b': 2}}",
        "{{b'{}': b's3cr3t', b'b': 2}}",
        "[('{}', 's3cr3t'), ('b', 2)]",
        "login({}='s3cr3t', b=2)",
        "Config({}=s3cr3t, b=2)",
        "    {} = 's3cr3t'",
        "    def login({}: str = 's3cr3t', b=2):",
        "    environ['{}'] = \"s3cr3t\"",
        "{}=s3cr3t,b=2",
        "{}=s3cr3t; b=2",
        "{}=\x1b[1ms3cr3t\x1b[0m b=2",
        "\x1b[35m{}\x1b[0m \x1b[1m=\x1b[0m \x1b[36m's3cr3t'\x1b[0m",
        "{}: ['s3cr3t', 's3cr3t']",
    ],
)
def test_named_values_are_masked_in_every_notation(name: str, text: str) -> None:
    before, after = text.replace("s3cr3t", "\0", 1).format(name).split("\0")
    assert mask(text.format(name)) in (
        f"{before}***{after}",
        # What stands in brackets is one value.
        f"{name}: [***]",
    )


@pytest.mark.parametrize(
    "text",
    [
        "token_count=5, max_tokens=7",
        '{"token_type": "bearer", "total_tokens": 12}',
        "password reset sent",
        "the token has expired",
        "Bearer token required, Basic authentication is off",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "cache key=github.repos",
        "design=flat, secretary: Bob, tokenizer=bpe",
        "token=None password='' secret: null",
        "https://host:8080/a@b?user=c@d",
        "http://[::1]:80/@x",
        "mail to bob@host: ok",
        "def login(token: str, password: bytes) -> None:",
        "['token', 'user']",
        "",
    ],
)
def test_innocent_text_stays(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize(
    "text",
    [
        r'{"password": "a\"s3cr3t", "b": 2}',
        r'{"password": "a\\", "b": 2}',
        '"' + r"{\"password\": \"a\\\"s3cr3t\", \"b\": 2}" + '"',
    ],
    ids=["quote", "backslash", "quote, a level deeper"],
)
def test_json_with_escapes_is_masked_up_to_the_true_end_of_the_value(text: str) -> None:
    data = json.loads(mask(text))
    data = json.loads(data) if isinstance(data, str) else data
    assert data == {"password": MASK, "b": 2}


def test_a_value_whose_quote_is_never_closed_is_masked_to_the_end_of_its_line() -> None:
    assert mask('password="s3cr3t and more\nnext line') == 'password="***\nnext line'


def test_a_password_with_delimiters_is_masked_as_a_whole() -> None:
    assert mask("password=a,b;c&s3cr3t next=1") == "password=*** next=1"


def test_triple_quoted_values_are_masked() -> None:
    assert mask("password = '''s3cr3t'''") == "password = '''***'''"


def test_private_keys_are_masked_over_many_lines() -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\ns3cr3t\n-----END RSA PRIVATE KEY-----\nok"
    assert mask(text) == "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nok"


def test_a_letter_that_grows_when_lowered_does_not_shift_the_mask() -> None:
    assert mask("İİİ token=s3cr3t İ") == "İİİ token=*** İ"


def test_secrets_in_tracebacks_are_masked() -> None:
    def login(password: str) -> None:
        raise ValueError(f"bad login: password={password}, url=https://u:{password}@host")

    try:
        login(password=SECRET)
    except ValueError:
        text = mask(traceback.format_exc())
    assert SECRET not in text.replace("login(password=SECRET)", "")
    assert "ValueError: bad login: password=***, url=https://u:***@host" in text


def test_a_secret_of_any_shape_does_not_survive_a_query_string() -> None:
    secret = "pa/ss?w&o=rd#1%"
    assert mask(f"GET /?token={quote(secret, safe='')}&n=1") == "GET /?token=***&n=1"


FRAGMENTS = st.sampled_from(
    [
        *(
            "token",
            "authorization",
            "cookie",
            "api_key",
            "password",
            "bearer ",
            "Basic ",
            "a",
            "b1",
        ),
        *("=", ":", ": ", " = ", ",", ", ", ";", "&", "%3D", "%26", "%22", "%3A%2F%2F", "%40"),
        *('"', "'", "\\", '\\"', "\n", "\r\n", "\\r\\n", " ", "(", ")", "[", "]", "{", "}"),
        *("://", "https://", "@", "/", "\x1b[0m", "***", "None", "İ", "<Cookie ", ">", '"""'),
        *(
            "&quot;",
            "\\n",
            "“",
            "”",
            "N'",
            "|",
            " | ",
            "  ",
            "-p ",
            "mdp",
            "пароль",
            "密码",
            "：",
            "Pass",
        ),
        *(
            "input_value='",
            "PASS ",
            "auth plain ",
            "$1\r\n",
            "net use ",
            "echo ",
            "</td><td>",
            "<key>",
        ),
        *("-----BEGIN PRIVATE KEY-----", "-----END", "str", "xyz123456789", "\ud800", "\0"),
    ]
)


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_masking_never_fails_and_masking_again_adds_no_more(text: str) -> None:
    once = mask(text)
    assert isinstance(once, str)
    assert once != "(text withheld: it could not be masked)"
    # It may move a little, where what is left of a hostile text reads in a new way, but it settles.
    for _ in range(5):
        once = mask(once)
    assert mask(once) == once


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    assert isinstance(mask(text), str)


PLACEHOLDER = re.compile(r"%[sdrv]|…|\.{3}|•{3,}|\*{2,}|x{3,}|str|none", re.IGNORECASE)


@given(
    st.text(alphabet=st.characters(codec="utf-8"), min_size=1).filter(
        lambda secret: not PLACEHOLDER.fullmatch(secret)
    )
)
def test_any_json_value_of_a_sensitive_name_is_gone_and_the_json_holds(secret: str) -> None:
    text = json.dumps({"password": secret, "n": 1})
    assert json.loads(mask(text)) == {"password": MASK, "n": 1}
    deeper = json.dumps({"body": text, "n": 1})
    assert json.loads(json.loads(mask(deeper))["body"]) == {"password": MASK, "n": 1}


HOSTILE = [
    *("token=", "token=(", "token='", 'token=\\"', "://a:", "authorization: ", "cookie: '"),
    *("https://", "%3a%2f%2fa%3a", "a", "\\", "'", "bearer a", "<cookie a=", "token,'"),
    *("-----begin private key-----", '"token":"\\"', "token: str =", "token=&a", "(('", "a@:"),
    *("<password>", "<password ", "name=password value=", "value='", '"value":"a","name":'),
    *("--password ", "curl -u a:", "curl ", "mysql -p", "auth=('", "password is ", "token is a1"),
    *("identified by '", "?key=aaaaaaaaaaaaaaaa", "key=aaaaaaaaaaaaaaaaaaaa", "session="),
    *("eyJ", "eyJ.", "eyJa.b.c", "ghp_", "sk-", "xoxb-", "SG.a", "4242 4242 4242 ", "DE89 3704 "),
    *("MAAAAAAAAAAAAAAAAAAAAAAA1.", "1234567890:AA", "AzCa", "aA0", "t1.A", "00D", "A", "hf_"),
    *("password: |\n  a\n", "password=self.", "password=a.b[", "password=get_a(", "password=${"),
    *('name="password"\r\n\r\n', "sqlplus a/", "│ └ ", "password\n└ 'x", "\x1b[1m", "page_token="),
    *(
        "password=“a",
        "password=&quot;a",
        "password&quot;:",
        "token=\n    ",
        "token=Some(\n ",
        "mdp=",
    ),
    *(
        "'password': 'a'\n  'a'",
        "password='a' -> 'b' -> ",
        "pwd={a}}",
        ";password=a b ",
        "\\n",
        "aPass=",
    ),
    *(
        "\nDB_PASSWORD=ab cd ef gh",
        "signature: expected ",
        "signature:\n",
        "credentials: password=",
    ),
    *(
        "<td>password</td><td>",
        '<entry key="password">',
        "password</key> ",
        "input_value='",
        '"kty":"k"',
    ),
    *(
        'loc":["password"],"input":"',
        "duplicate entry '",
        "net use ",
        "htpasswd -b ",
        "echo a|",
        "-a ",
    ),
    *(
        "snmpwalk -a a -x b",
        "curl -u 'a:",
        "auth plain ",
        "334 ugfzc3dvcmq6",
        "> PASS ",
        "a1 LOGIN a ",
    ),
    *(
        "auth\r\n$1\r\n",
        "setuser a >",
        "\ttrue\t1\ta\t",
        ".login('a', ",
        "password for a: ",
        "\\ttrue",
    ),
    *(
        "your code is 1234",
        "1234 is your a ",
        "password | ",
        "\npassword  a1a1a1",
        "passwords:\n - a1\n",
    ),
    *(
        "mnemonic=abc abc ",
        "://a\\b:",
        ":a@tcp(",
        "-----begin+",
        "%B4",
        "v4.local.",
        "gAAAAA",
        "sk.eyJ",
    ),
    *(
        "\\u043f\\u0430",
        "password: This is a b. ",
        "password={{ a ",
        "password=A(a=1, ",
        "s.aAaAaAaA",
    ),
    *("%255Btoken%255D=", "signature: t=1,", '"password": {', "arn:aws:secretsmanager:a:1:secret:"),
]


@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize("start", ["", "token='", "token=("])
def test_a_hostile_text_costs_as_much_as_it_is_long(pattern: str, start: str) -> None:
    # Were it the square, each of these would take minutes.
    size = 1 << 15
    assert isinstance(mask((start + pattern * size)[:size]), str)


@pytest.mark.stress
@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize("start", ["", "token='", "token=("])
def test_a_hostile_mebibyte_does_not_stall(pattern: str, start: str) -> None:
    size = 1 << 20
    assert isinstance(mask((start + pattern * size)[:size]), str)


@pytest.mark.parametrize("cut", ["...", "a...", "sk-…", "\\u2026"])
def test_many_dots_behind_a_token_cost_as_much_as_they_are_long(cut: str) -> None:
    # Were all that stands before looked at for each of them, this would take a minute.
    dots = cut * (1 << 18)
    assert mask(f"AKIAQ3EGB7TXYZ234567 {dots}") == f"*** {dots}"


def test_text_that_cannot_be_masked_is_withheld() -> None:
    class Broken(str):
        def lower(self) -> str:
            raise RuntimeError(SECRET)

    assert SECRET not in mask(Broken(f"token={SECRET}"))


def test_plain_data_is_masked_by_name_and_by_text() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError(SECRET)

    data = {
        "api_key": SECRET,
        "passcode": 1234,
        "token": None,
        "has_password": True,
        "note": [f"token={SECRET}", 5, 1.5],
        "deep": {"tuple": (f"https://u:{SECRET}@h",)},
        "odd": Unprintable(),
        7: "seven",
    }
    assert masked(data) == {
        "api_key": MASK,
        "passcode": MASK,
        "token": None,
        "has_password": True,
        "note": ["token=***", 5, 1.5],
        "deep": {"tuple": ["https://u:***@h"]},
        "odd": "<unprintable Unprintable>",
        "7": "seven",
    }


def test_a_name_begins_at_most_32_signs_before_its_hint() -> None:
    named = (*HEADERS, *NAMES, *WORDS, *IN_TEXTS, *OTHER_LANGUAGES)
    for name in (*named, *(json.dumps(one)[1:-1] for one in named), *map(quote, named)):
        assert 0 <= first_hint(f"{name.lower()}=") <= 32, name


@pytest.mark.parametrize(
    "name", ["dbPass", "userPin", "smtp_pass", "contraseña", "ПАРОЛЬ", "senha"]
)
def test_names_within_longer_ones_and_of_other_languages_are_known(name: str) -> None:
    assert is_sensitive(name)
    assert mask(f"{name}: hunter22") == f"{name}: {'***' if 'Pin' not in name else 'hunter22'}"


@pytest.mark.parametrize("name", ["compass", "bypass", "lowPass", "mapping", "palabra clave"])
def test_words_that_end_like_a_secrets_name_are_not(name: str) -> None:
    assert not is_sensitive(name)
    assert mask(f"{name}: hunter22") == f"{name}: hunter22"


def test_data_that_holds_itself_is_cut_off() -> None:
    data: dict[str, object] = {"token": SECRET}
    data["self"] = data
    assert SECRET not in str(masked(data))


def test_counts_by_name_stay() -> None:
    stats = Figures({"errors": {"InvalidToken": 3}, "note": "token=s3cr3t"})
    again = masked(masked(stats))
    assert again == {"errors": {"InvalidToken": 3}, "note": "token=***"}


def test_a_name_that_was_shown_is_masked_as_soon_as_it_is_a_secret() -> None:
    stats = Figures({"hosts": {"BDG-123456": 3, "a": 1}, "note": "design-key-9-test-value"})

    def shown() -> str:
        return str([masked(stats), masked(masked(stats))])

    assert "BDG-123456" in shown()
    undo = add_rule("badge", r"BDG-\d{6}", hint="BDG-")
    assert "BDG-123456" not in shown()
    undo_allow = allow("BDG-123456")
    assert "BDG-123456" in shown()
    undo_allow()
    assert "BDG-123456" not in shown()
    undo()
    assert "BDG-123456" in shown()
    learn("BDG-123456", "design-key-9-test-value")
    assert "BDG-123456" not in shown()
    assert "design-key" not in shown()


def test_a_name_that_was_allowed_is_sensitive_again_when_that_is_taken_back() -> None:
    undo = allow_names("design_token")
    assert masked({"design_token": "blue"}) == {"design_token": "blue"}
    undo()
    assert masked({"design_token": "blue"}) == {"design_token": MASK}


def test_what_is_remembered_of_texts_is_bounded_and_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(masking_data, "MOST_KNOWN", 50)
    for number in range(200):
        masked(Figures({f"host-{number}.example": 1, f"token={SECRET}{number}": 1, "x" * 200: 1}))
        masked({f"name {number}": "a"})
    known = masking_data._known
    for kept in (known._texts, known._harmless):
        assert 0 < len(kept) <= 50
        assert SECRET not in str(kept)
        assert max(map(len, kept)) <= masking_data.LONGEST_KNOWN


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.dictionaries(st.text() | st.integers(), inner) | st.lists(inner),
        max_leaves=20,
    )
)
def test_figures_are_masked_as_any_mapping_is(value: Any) -> None:
    class Slow(dict[Any, Any]):
        """Not one of the types that are masked in fewer steps."""

    figures: dict[Any, Any] = {"password=hunter22": value, 7: value, "in": {1: 2, 3: 4}}
    fast = masked(Figures(figures))
    assert fast == masked(Slow(figures), is_figure=True)
    assert masked(fast) == fast


@pytest.mark.parametrize("name", ["Authorization", "my_api_key", "userToken", "sas-sig", "pwd"])
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize("name", ["token_count", "user", "key", "design", "compass"])
def test_other_names_are_not(name: str) -> None:
    assert not is_sensitive(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"password": 12345, "n": 1}', '{"password": "***", "n": 1}'),
        ('{"password": {"value": "s3cr3t"}, "n": 1}', '{"password": "***", "n": 1}'),
        ('{"tokens": 5, "token": ["s3cr3t"]}', '{"tokens": 5, "token": "***"}'),
        ('{"tokens": {"a": "x1y2z3w4x5y6z7w8"}, "n": 1}', '{"tokens": "***", "n": 1}'),
        (r'{"b": "{\"pin\": 4821}"}', r'{"b": "{\"pin\": \"***\"}"}'),
    ],
)
def test_json_remains_json_when_a_value_without_quotes_is_masked(text: str, expected: str) -> None:
    assert mask(text) == expected
    assert json.loads(expected)
    assert mask(expected) == expected


def test_a_secret_that_colors_cut_in_two_is_masked_and_loses_its_colors() -> None:
    token = "ghp_" + "a1B2" * 9
    assert mask(f"key {token[:9]}\x1b[36m{token[9:]}\x1b[0m end") == "key *** end"
    assert mask("\x1b[1mtoken\x1b[0m=s3cr3t \x1b[0mend") == "\x1b[1mtoken\x1b[0m=*** \x1b[0mend"


def test_values_drawn_under_a_source_line_are_masked_by_the_name_above_them() -> None:
    text = "    > f(user, password)\n        |     -> 's3cr3t'\n        -> 'bob'\n"
    assert mask(text) == text.replace("'s3cr3t'", "***")


def test_yaml_blocks_are_masked_to_their_end() -> None:
    text = "password: |\n  s3cr3t\n  more\nuser: bob"
    assert mask(text) == "password: |\n  ***\nuser: bob"


def test_form_data_is_masked() -> None:
    head = 'Content-Disposition: form-data; name="password"\r\n\r\n'
    assert mask(f"{head}s3cr3t\r\n--x--") == f"{head}***\r\n--x--"
    assert mask(repr(f"{head}s3cr3t\r\n--x--")) == repr(f"{head}***\r\n--x--")


def test_a_rule_of_ones_own_masks_until_it_is_taken_away() -> None:
    undo = add_rule("badge", r"BDG-(?P<secret>\d{6})", hint="bdg-")
    assert mask("by BDG-123456 and BDG-1") == "by BDG-*** and BDG-1"
    undo()
    undo()
    assert mask("by BDG-123456") == "by BDG-123456"


@pytest.mark.parametrize(
    ("name", "pattern", "hint"), [("", "a", "a"), ("x", "a", ""), ("x", "(", "a"), ("x", "a*", "a")]
)
def test_a_rule_that_cannot_work_is_refused(name: str, pattern: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=r"add_rule\("):
        add_rule(name, pattern, hint=hint)


def test_a_rules_name_is_taken_once() -> None:
    undo = add_rule("badge", "BDG", hint="BDG")
    with pytest.raises(ConfigurationError, match="use a name that no added rule has"):
        add_rule("badge", "BDG", hint="BDG")
    undo()


def test_what_is_allowed_stays_until_it_is_taken_back() -> None:
    undo = allow("s3cr3t", "4242424242424242")
    assert mask("token=s3cr3t 4242424242424242") == "token=s3cr3t 4242424242424242"
    undo()
    assert mask("token=s3cr3t 4242424242424242") == "token=*** ***"


def test_names_that_are_allowed_hide_nothing_but_what_has_a_shape() -> None:
    token = "ghp_" + "a1B2" * 9
    undo = allow_names("Design_Token")
    assert mask(f"design_token=blue my_token=x1 design_token={token}") == (
        "design_token=blue my_token=*** design_token=***"
    )
    undo()
    assert mask("design_token=blue") == "design_token=***"


@pytest.mark.parametrize("allowing", [allow, allow_names])
def test_allowing_nothing_is_refused(allowing: Any) -> None:
    for texts in ((), ("",), (5,)):
        with pytest.raises(ConfigurationError, match="use one text or more"):
            allowing(*texts)


def test_each_rule_can_be_found_by_its_name() -> None:
    names = [thing.name for thing in (*RULES, *SHAPES)]
    assert all(shape.source for shape in SHAPES)
    assert len(set(names)) == len(names)


def test_a_card_number_in_json_leaves_json() -> None:
    assert mask('{"card": 4111111111111111, "n": 1}') == '{"card": "***", "n": 1}'


def test_a_secret_in_three_quotes_ends_where_they_do() -> None:
    text = 'password = """hunter2\nhunter3"""\nport = 1'
    assert mask(text) == 'password = """***"""\nport = 1'
