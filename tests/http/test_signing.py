"""Which headers an `auth=` of requests has set, and which calls know of it."""

from __future__ import annotations

from resilient.call import Call, Target
from resilient.http.credentials import credentials_of
from resilient.http.signing import note_signed, signed_in


def fetch() -> None:
    """What is decorated."""


TARGET = Target(fetch, service="vendor", name="fetch")


def test_what_an_auth_adds_or_changes_is_known_to_the_calls_inside() -> None:
    outer, inner = Call.of(TARGET), Call.of(TARGET)
    inner.parent = outer
    before = {"Accept": "*/*", "X-Old": "1", "X-Same": "1"}
    note_signed(outer, before, {**before, "X-Old": "2", "X-Pizza": "ann", "x-same": "1"})
    assert signed_in(inner) == {"x-old", "x-pizza"}
    assert signed_in(Call.of(TARGET)) == frozenset()


def test_what_tells_nothing_of_who_asks_is_no_credential() -> None:
    call = Call.of(TARGET)
    note_signed(call, {"Content-Length": "1"}, {"Content-Length": "2", "Date": "now", "Host": "x"})
    assert signed_in(call) == frozenset()


def test_a_signed_header_is_a_credential_with_a_name_and_a_value() -> None:
    (found,) = credentials_of("https://a.test/", {"X-Pizza": "ann", "X-B": "1"}, None, {"x-pizza"})
    assert (found.kind, found.secrets) == ("the X-Pizza header", ("ann",))
