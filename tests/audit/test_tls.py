from __future__ import annotations

import pytest

from tests.audit.conftest import Look, rules


@pytest.mark.parametrize(
    "code",
    [
        "requests.get(u, verify=False)",
        "requests.get(u, **{'verify': False})",
        "options = {'verify': False}; requests.get(u, **options)",
        "OFF = False; requests.get(u, verify=OFF)",
        "s = requests.Session(); s.verify = False",
        "self.session.verify = False",
        "client.get(u, verify=False)",
        "httpx.Client(verify=False)",
        "functools.partial(requests.get, verify=False)",
        "boto3.client('s3', verify=False)",
        "urllib3.PoolManager(cert_reqs='CERT_NONE')",
        "urllib3.PoolManager(cert_reqs=ssl.CERT_NONE)",
        "httplib2.Http(disable_ssl_certificate_validation=True)",
        "ssl._create_unverified_context()",
        "ssl._create_default_https_context = ssl._create_unverified_context",
        "context.verify_mode = ssl.CERT_NONE",
        "stripe.verify_ssl_certs = False",
        "os.environ['PYTHONHTTPSVERIFY'] = '0'",
        "os.environ['CURL_CA_BUNDLE'] = ''",
    ],
)
def test_verification_that_is_off_is_found_even_under_a_policy(look: Look, code: str) -> None:
    start = "import boto3, functools, httplib2, httpx, os, requests, ssl, stripe, urllib3\n"
    start += "from resilient import retry\n@retry\ndef f(self, client, context):\n    "
    assert {one.partition(":")[2] for one in rules(look(start + code))} == {"RES004"}


@pytest.mark.parametrize(
    "code",
    [
        "requests.get(u, verify=True)",
        "requests.get(u, verify='ca.pem')",
        "requests.get(u, verify=None)",
        "requests.get(u, verify=flag)",
        "jwt.decode(token, verify=False)",
        "form.verify = False",
        "context.verify_mode = ssl.CERT_REQUIRED",
        "os.environ['CURL_CA_BUNDLE'] = 'ca.pem'",
    ],
)
def test_what_verifies_or_is_about_something_else_is_not(look: Look, code: str) -> None:
    start = "import os, requests, ssl, jwt\nfrom resilient import retry\n@retry\n"
    assert rules(look(f"{start}def f(flag, form, context):\n    {code}")) == []


def test_a_file_that_imports_no_library_is_read_for_it_too(look: Look) -> None:
    assert rules(look("def f(session): session.get(u, verify=False)")) == ["1:RES004"]
    code = "import os\nos.environ['PYTHONHTTPSVERIFY'] = '0'"
    assert rules(look(code)) == ["2:RES004"]
