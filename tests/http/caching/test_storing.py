"""RFC 9111 3: which answers are kept."""

from __future__ import annotations

import pytest

from resilient.http.caching.messages import Defaults, Request
from resilient.http.caching.storing import stored_of, useful_for
from tests.http.caching.made import NOON, SILENT, URL, date, is_kept, part, request, stored

FRESH = {"Cache-Control": "max-age=60"}
TAGGED = {"ETag": '"1"'}


@pytest.mark.parametrize(
    "status",
    [200, 201, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 410, 499]
    + [500, 503, 599],
)
def test_any_final_status_is_kept_if_the_answer_says_how_long_3(status: int) -> None:
    assert is_kept(FRESH, status)
    assert is_kept({"Expires": date(60)}, status)


@pytest.mark.parametrize("status", [0, 100, 101, 103, 199])
def test_interim_answers_are_not_kept_3(status: int) -> None:
    assert not is_kept(FRESH, status)


def test_a_304_is_not_kept_as_an_answer_3() -> None:
    assert not is_kept({**FRESH, **TAGGED}, 304)


@pytest.mark.parametrize("status", [428, 429, 431, 511])
def test_what_rfc_6585_forbids_to_keep_is_not_kept(status: int) -> None:
    assert not is_kept(FRESH, status)


@pytest.mark.parametrize("status", [407, 412, 416, 417])
def test_answers_to_one_requests_conditions_are_not_kept(status: int) -> None:
    assert not is_kept(FRESH, status)


def test_no_store_forbids_it_5_2_2_5() -> None:
    assert not is_kept({"Cache-Control": "max-age=60, No-Store"})
    assert not is_kept({"Cache-Control": 'no-store, ext="a", max-age=60', **TAGGED})


def test_a_request_can_forbid_it_5_2_1_5() -> None:
    assert not is_kept(FRESH, asked=request(cache_control="no-store"))
    assert is_kept(FRESH, asked=request(cache_control="no-cache"))


def test_private_answers_are_kept_5_2_2_7() -> None:
    assert is_kept({"Cache-Control": "private, max-age=60"})
    assert is_kept({"Cache-Control": "private", **TAGGED}, 299)


def test_answers_to_authorized_requests_are_kept_by_a_private_cache_3_5() -> None:
    assert is_kept(FRESH, asked=request(authorization="Bearer x"))


@pytest.mark.parametrize("vary", ["*", "Accept, *", "*, Accept", " * ", '"Accept"'])
def test_what_varies_by_everything_is_not_kept_4_1(vary: str) -> None:
    assert not is_kept({**FRESH, "Vary": vary})


def test_must_understand_is_stronger_than_no_store_5_2_2_3() -> None:
    control = {"Cache-Control": "must-understand, no-store, max-age=60"}
    for status in (200, 204, 301, 404, 503):
        assert is_kept(control, status), status
    for status in (299, 306, 418, 499, 599):
        assert not is_kept(control, status), status
    assert not is_kept({"Cache-Control": "must-understand, max-age=60"}, 299)


def test_a_status_that_may_be_estimated_is_kept_to_be_validated_3() -> None:
    for status in (200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501):
        assert is_kept(TAGGED, status), status
    for status in (201, 302, 400, 403, 500, 503, 299):
        assert not is_kept(TAGGED, status), status
        assert is_kept({**TAGGED, "Cache-Control": "public"}, status), status


def test_what_is_of_no_use_is_not_kept_3() -> None:
    assert not is_kept({})
    assert is_kept({"Last-Modified": date(-10)})
    assert is_kept({}, defaults=Defaults(ttl=60))
    assert is_kept({}, defaults=Defaults(stale_if_error=60))
    assert not is_kept({}, 500, defaults=Defaults(ttl=60))


def test_no_cache_is_kept_if_it_can_be_validated_5_2_2_4() -> None:
    assert not is_kept({"Cache-Control": "no-cache, max-age=60"})
    assert is_kept({"Cache-Control": "no-cache, max-age=60", **TAGGED})
    assert is_kept({"Cache-Control": 'no-cache="x", max-age=60'})


def test_headers_can_be_left_out_of_it() -> None:
    defaults = Defaults(ttl=60, respect_headers=False)
    assert is_kept({"Cache-Control": "no-store"}, defaults=defaults)
    assert not is_kept({"Cache-Control": "max-age=60"}, 500, defaults=defaults)
    assert not is_kept({"Vary": "*"}, defaults=defaults)
    assert not is_kept({"Cache-Control": "max-age=60"}, defaults=Defaults(respect_headers=False))


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "get"])
def test_other_methods_are_not_kept_3(method: str) -> None:
    assert not is_kept({**FRESH, "Content-Location": URL}, asked=request(method))


def test_a_post_is_kept_if_it_says_that_it_is_its_own_get_9110_9_3_3() -> None:
    post = request("POST")
    assert is_kept({**FRESH, "Content-Location": URL}, asked=post)
    assert is_kept({**FRESH, "Content-Location": "items"}, asked=post)
    assert not is_kept(FRESH, asked=post)
    assert not is_kept({**FRESH, "Content-Location": "/other"}, asked=post)
    assert not is_kept({"Content-Location": URL, **TAGGED}, asked=post, defaults=Defaults(ttl=60))
    assert not is_kept({**FRESH, "Content-Location": URL}, 201, asked=post)


def test_head_is_kept_3() -> None:
    assert is_kept(FRESH, asked=request("HEAD"))
    assert stored(FRESH, asked=request("HEAD"), body=b"odd").body == b""


PART = {**FRESH, "Content-Range": "bytes 0-4/10"}


def test_a_part_is_kept_3_3() -> None:
    assert is_kept(PART, 206)
    assert is_kept({**PART, "Content-Encoding": "identity"}, 206)
    assert not is_kept({**PART, "Content-Encoding": "gzip"}, 206)
    assert not is_kept({**FRESH, "Content-Type": "multipart/byteranges; boundary=x"}, 206)
    assert not is_kept({**FRESH, "Content-Range": "lines 0-4/10"}, 206)
    assert not is_kept(PART, 206, asked=request("HEAD"))


def test_a_part_that_is_not_what_it_says_is_not_kept_3_3() -> None:
    made = stored_of(request(), 206, "", list(PART.items()), b"0123", NOON, NOON)
    assert made is None


def test_a_part_that_is_the_whole_is_kept_as_a_200_9110_15_3_7_3() -> None:
    whole = part(0, 9)
    assert (whole.status, whole.span, whole.body) == (200, None, b"0123456789")
    assert "content-range" not in whole.fields
    assert whole.fields["content-length"] == "10"
    assert part(0, 8).status == 206
    assert part(0, 9, "*").status == 206


def test_a_missing_or_malformed_date_is_that_of_the_receipt_9110_6_6_1() -> None:
    assert stored().fields["date"] == date()
    assert stored({"Date": "soon"}).fields["date"] == date()
    assert stored({"Date": date(-5)}).fields["date"] == date(-5)


def test_what_varies_by_everything_has_no_stored_form_4_1() -> None:
    assert stored_of(request(), 200, "", [("Vary", "a, *")], b"", NOON, NOON) is None


def test_an_answer_is_useful_as_long_as_it_may_be_used() -> None:
    control = {"Cache-Control": "max-age=60, stale-if-error=0"}
    assert useful_for(stored(control), NOON, SILENT) == 60
    assert useful_for(stored(control), NOON + 90, SILENT) == 0
    longer = {"Cache-Control": "max-age=60, stale-if-error=5, stale-while-revalidate=90"}
    assert useful_for(stored(longer), NOON, SILENT) == 150
    assert useful_for(stored(FRESH), NOON, Defaults(stale_if_error=100)) == 160
    strict = {"Cache-Control": "max-age=60, must-revalidate"}
    assert useful_for(stored(strict), NOON, Defaults(stale_if_error=100)) == 60
    assert useful_for(stored({**strict, **TAGGED}), NOON, SILENT) > 86_400


def test_a_request_is_read_by_lower_case_names() -> None:
    assert not is_kept(FRESH, asked=Request("GET", URL, {"cache-control": "NO-STORE"}))
