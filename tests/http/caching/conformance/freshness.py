"""How long an answer is fresh, and how old it is (RFC 9111 4.2, 5.1 and 5.3)."""

from __future__ import annotations

from tests.http.caching.scenarios import (
    DATED,
    LONG,
    MAX,
    TAG,
    Steps,
    asks,
    brings,
    confirms,
    hits,
    never,
    twice,
)

SCENARIOS: dict[str, Steps] = {
    "4.2.1 max-age to its last second": (asks(MAX), hits(1, after=59), asks(MAX, after=1)),
    "4.2.1 max-age=0": never("Cache-Control: max-age=0"),
    "4.2.1 max-age beats an Expires in the past": twice(brings(MAX, "Expires: @-9")),
    "4.2.1 max-age=0 beats an Expires to come": never("Cache-Control: max-age=0 | Expires: @99"),
    "4.2.1 s-maxage is for shared caches: alone it says nothing": never(
        "Cache-Control: s-maxage=60"
    ),
    "4.2.1 s-maxage=0 does not shorten max-age": twice("Cache-Control: s-maxage=0, max-age=60"),
    "4.2.1 s-maxage does not lengthen max-age": never("Cache-Control: s-maxage=60, max-age=0"),
    "4.2.1 s-maxage leaves Expires as it is": twice("Cache-Control: s-maxage=0 | Expires: @60"),
    "4.2.1 Expires to come": (asks("Expires: @60"), hits(1, after=59), asks(after=2)),
    "4.2.1 Expires far to come": (
        asks("Expires: Fri, 31 Dec 9999 23:59:59 GMT"),
        hits(1, after=100_000_000),
    ),
    "4.2.1 Expires in the past": never("Expires: @-60"),
    "4.2.1 Expires that is the Date": never("Expires: @0"),
    "4.2.1 Expires without Date": twice("Expires: @60 | Date:"),
    "4.2.1 Expires without Date, in the past": never("Expires: @-60 | Date:"),
    "4.2.1 Expires is counted from Date, not from our clock": (
        asks("Expires: @-1000 | Date: @-1060"),
        asks(""),
    ),
    "4.2.1 Date ahead of our clock": (
        asks("Expires: @1060 | Date: @1000"),
        hits(1, after=59),
        asks(after=2),
    ),
    "5.3 Expires: 0": never("Expires: 0"),
    "5.3 Expires: -1": never("Expires: -1"),
    "5.3 Expires of no text": never("Expires:  "),
    "5.3 Expires twice, the first in the past": never("Expires: @-60 | Expires: @60"),
    "5.3 max-age with an Expires that can't be read": twice(brings(MAX, "Expires: 0")),
    "5.2.2.1 quoted": twice('Cache-Control: max-age="60"'),
    "5.2.2.1 in capitals": twice("CACHE-CONTROL: MaX-aGe=60"),
    "5.2.2.1 with zeros before": twice("Cache-Control: max-age=0060"),
    "5.2.2.1 after directives that nobody knows": twice(
        'Cache-Control: foo="a, b=c", bar, max-age=60'
    ),
    "5.2.2.1 in a quoted value of another it is none": never('Cache-Control: foo="max-age=60"'),
    "5.2.2.1 no-store in a quoted value is none": twice(
        'Cache-Control: foo="no-store", max-age=60'
    ),
    "5.2.2.1 in the value of another it is none": never("Cache-Control: foo=max-age=60"),
    "5.2.2.1 a name that begins alike": never("Cache-Control: max-ages=60"),
    "5.2.2.1 a name that ends alike": never("Cache-Control: x-max-age=60"),
    "5.2.2.1 no-store with a value": never("Cache-Control: max-age=60, no-store=x"),
    "5.2.2.1 empty members of the list": twice("Cache-Control: , ,max-age=60,,"),
    "5.2.2.1 without spaces, and with tabs": twice("Cache-Control: public,\tmax-age=60\t"),
    "5.2.2.1 in several lines": twice("Cache-Control: public | Cache-Control: max-age=60"),
    "1.2.2 far larger than any clock": (
        asks("Cache-Control: max-age=99999999999999999999"),
        hits(1, after=1_000_000_000),
    ),
    "1.2.2 negative": never("Cache-Control: max-age=-60"),
    "1.2.2 with a fraction": never("Cache-Control: max-age=60.5"),
    "1.2.2 with a sign": never("Cache-Control: max-age=+60"),
    "1.2.2 in single quotes": never("Cache-Control: max-age='60'"),
    "1.2.2 with a letter behind": never("Cache-Control: max-age=60s"),
    "1.2.2 without a value": never("Cache-Control: max-age"),
    "1.2.2 with spaces around the sign": never("Cache-Control: max-age = 60"),
    "4.2.1 of several the first, or stale": never("Cache-Control: max-age=0, max-age=60"),
    "4.2.3 Age counts": (
        asks(brings(LONG, "Age: 3590")),
        hits(1, after=9, has={"Age": "3599"}),
        asks(after=1),
    ),
    "4.2.3 Age beyond the lifetime": never(brings(MAX, "Age: 60")),
    "4.2.3 Age counts against Expires": never("Expires: @60 | Age: 60"),
    "4.2.3 Date in the past counts as age": (
        asks(brings(LONG, "Date: @-3000")),
        hits(1, has={"Age": "3000"}),
        asks(after=600),
    ),
    "4.2.3 Date before the lifetime": never(brings(MAX, "Date: @-61")),
    "4.2.3 of Age and Date the older": (
        asks(brings(LONG, "Date: @-3000", "Age: 10")),
        hits(1, has={"Age": "3000"}),
    ),
    "4.2.3 Date to come is no negative age": (
        asks(brings(MAX, "Date: @9999")),
        hits(1, after=59, has={"Age": "59"}),
        asks(after=2),
    ),
    "4.2.3 what the way took counts": (
        asks(brings(MAX, "Age: 30"), takes=20),
        hits(1, has={"Age": "50"}),
        asks(after=11),
    ),
    "4.2.3 what Date leaves out of its second is no age": (
        asks("Cache-Control: max-age=2", after=0.9),
        hits(1, after=1.5, has={"Age": "1"}),
        asks("", after=0.6),
    ),
    "5.1 Age is generated": (
        asks(MAX, lacks=("Age",)),
        hits(1, after=3, has={"Age": "3"}),
        hits(1, after=4, has={"Age": "7"}),
    ),
    "5.1 Age: 0 at once": (asks(MAX), hits(1, has={"Age": "0"})),
    "5.1 Age of zeros": twice(brings(MAX, "Age: 00")),
    "5.1 Age too large": never(brings(MAX, "Age: 99999999999999999999")),
    "5.1 Age of 2**31": never(brings(MAX, "Age: 2147483648")),
    "5.1 Age negative is ignored": (
        asks(brings(MAX, "Age: -100")),
        hits(1, after=59, has={"Age": "59"}),
        asks(after=1),
    ),
    "5.1 Age with a fraction is ignored": twice(brings(MAX, "Age: 7200.0")),
    "5.1 Age of letters is ignored": (asks(brings(MAX, "Age: abc")), hits(1, has={"Age": "0"})),
    "5.1 Age with a parameter is ignored": twice(brings(MAX, "Age: 7200;a=b")),
    "5.1 of several the first: old": never(brings(MAX, "Age: 7200", "Age: 0")),
    "5.1 of several the first: young": twice(brings(MAX, "Age: 0", "Age: 7200")),
    "5.1 of several in one line the first": never(brings(MAX, "Age: 7200, 0")),
    "5.1 Age that comes twice is given once": (
        asks(brings(MAX, "Age: 10", "Age: 20")),
        hits(1, has={"Age": "10"}),
    ),
    "5.1 Age of an answer that was asked for stays": (
        asks(brings(MAX, "Age: 7"), has={"Age": "7"}),
    ),
    "4.2.2 a tenth of the time since Last-Modified": (
        asks("Last-Modified: @-1000"),
        hits(1, after=99),
        confirms(1, after=2),
    ),
    "4.2.2 Last-Modified to come": (asks("Last-Modified: @100"), confirms(1)),
    "4.2.2 Last-Modified that can't be read": (asks("Last-Modified: 0"), asks("")),
    "4.2.2 not beside an Expires in the past": (
        asks(brings(DATED, "Expires: @-9")),
        confirms(1),
    ),
    "4.2.2 not beside an Expires that can't be read": (
        asks(brings(DATED, "Expires: 0")),
        confirms(1),
    ),
    "4.2.2 not beside max-age=0": (asks(brings(DATED, "Cache-Control: max-age=0")), confirms(1)),
    "4.2.2 not beside no-cache": (asks(brings(DATED, "Cache-Control: no-cache")), confirms(1)),
    "4.2.2 beside a directive that says nothing of it": twice(brings(DATED, "Cache-Control: foo")),
    "4.2.2 only with what is known: an ETag says no time": (asks(TAG), confirms(1)),
    "4.2.2 public makes any status one to estimate": twice(
        brings(DATED, "Cache-Control: public"), status=299
    ),
    "4.2.2 no estimate beyond a day": (
        asks("Last-Modified: @-999999999"),
        hits(1, after=86_399),
        confirms(1, after=2),
    ),
    "4.2.2 without Date": twice("Date: | Last-Modified: @-1000"),
    "RFC 9110 6.6.1 a Date that can't be read": (
        asks(brings(MAX, "Date: foo")),
        hits(1, after=59, has={"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Age": "59"}),
        asks(after=1),
    ),
    "RFC 9110 6.6.1 without Date": (
        asks(brings(MAX, "Date:")),
        hits(1, after=59, has={"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Age": "59"}),
        asks(after=1),
    ),
    "RFC 9213 what is said to other caches": never(
        "CDN-Cache-Control: max-age=60 | Surrogate-Control: max-age=60"
    ),
    "RFC 9213 what is said to other caches does not count": twice(
        brings(MAX, "CDN-Cache-Control: no-store", "Surrogate-Control: no-store")
    ),
    "5.2 directives of requests mean nothing in an answer": twice(
        brings(MAX, "Cache-Control: only-if-cached, max-stale=9, min-fresh=999")
    ),
    "5.2.2.6 no-transform": twice("Cache-Control: max-age=60, no-transform"),
    "5.2 a quoted value that never ends hides nothing": never(
        'Cache-Control: max-age=60, foo="bar, no-store'
    ),
    "5.2 separated by semicolons": never("Cache-Control: max-age=60; no-store"),
    "4.2.1 a max-age with something behind it": never("Cache-Control: max-age=60 5"),
    "4.2.1 a max-age with something before it": never("Cache-Control: foo max-age=60"),
    "5.4 Pragma: no-cache of an answer does not undo max-age": twice(
        brings(MAX, "Pragma: no-cache")
    ),
    "5.4 Pragma of an answer that nobody knows": twice(brings(DATED, "Pragma: foo")),
}
for _form in (
    "Thursday, 18-Aug-50 02:01:18 GMT",
    "Thu Aug 18 02:01:18 2050",
    "thu, 18 aug 2050 02:01:18 gmt",
    "Mon, 18 Aug 2050 02:01:18 GMT",
):
    SCENARIOS[f"5.3 Expires: {_form}"] = twice(f"Expires: {_form}")
for _form in (
    "Thu, 18 Aug 2050 02:01:18",
    "Thu, 18 Aug 2050 02:01:18 UTC",
    "Thu, 18 Aug 2050 02:01:18 EST",
    "Thu, 18 Aug 2050 02:01:18 +0100",
    "Thu, 18 Aug 2050 2:01:18 GMT",
    "Thu, 18 Aug 2050 02:01 GMT",
    "Thu, 18  Aug  2050 02:01:18 GMT",
    "Thu, 18-Aug-2050 02:01:18 GMT",
    "Thu, 18 Aug 50 02:01:18 GMT",
    "18 Aug 2050 02:01:18 GMT",
    "Thu 18 Aug 2050 02:01:18 GMT",
    "Thu,18 Aug 2050 02:01:18 GMT",
    "Thu, 31 Feb 2050 02:01:18 GMT",
    "Thu, 18 Aug 2050 24:01:18 GMT",
    "Thu, 18 Aug 2050 02.01.18 GMT",
    "2050-08-18T02:01:18Z",
    "2544400878",
):
    SCENARIOS[f"5.3 Expires: {_form} is none"] = never(f"Expires: {_form}")
