from __future__ import annotations

import pytest

from tests.audit.conftest import Look, rules

START = "import httpx, resilient, threading\nfrom resilient import service, retry, breaker\n"


@pytest.mark.parametrize(
    "code",
    [
        "@retry\ndef f(): httpx.get(u)",
        "@retry(attempts=3)\ndef f(): httpx.get(u)",
        "@resilient.service('x')\ndef f(): httpx.get(u)",
        "from resilient import retry as again\n@again()\ndef f(): httpx.get(u)",
        "x = service('x', breaker())\n@x\ndef f(): httpx.get(u)",
        "x = service('x', breaker())\n@x\n@staticmethod\ndef f(): httpx.get(u)",
        "@other\n@retry\ndef f(): httpx.get(u)",
        "def f(): httpx.get(u)\ng = retry(f)",
        "x = service('x')\nx.call(lambda: httpx.get(u))",
        "x = service('x')\ndef f(): httpx.get(u)\nx.call(f, 1)",
        "x = service('x')\ndef f(): x.call(httpx.get, u)",
        "def vendor(name): return service(name, retry())\n@vendor('x')\ndef f(): httpx.get(u)",
        "def robust(fn): return service('x')(retry(fn))\n@robust\ndef f(): httpx.get(u)",
        "@retry\ndef f():\n def g(): httpx.get(u)\n return g()",
        "@retry\ndef f(): _g()\ndef _g(): httpx.get(u)",
        "@retry\ndef f(): _g()\ndef _g(): _h()\ndef _h(): httpx.get(u); _h()",
        "class A:\n @retry\n def f(self): self._g()\n def _g(self): httpx.get(u)",
        "from resilient import *\n@bulkhead\ndef f(): httpx.get(u)",
        "class A:\n x = service('x')\n @x\n def f(self): httpx.get(u)",
    ],
)
def test_what_runs_under_a_policy_is_no_finding(look: Look, code: str) -> None:
    assert rules(look(START + code)) == []


@pytest.mark.parametrize(
    "code",
    [
        "@other\ndef f(): httpx.get(u)",
        "@retry\ndef f(): g()\ndef g(): httpx.get(u)",
        "def _f(): httpx.get(u)",
        "@retry\ndef f(): _g()\ndef _g(): httpx.get(u)\ndef h(): _g()",
        "@retry\ndef f(): _g()\ndef _g(): httpx.get(u)\n_g()",
        "@retry\ndef f(): threading.Thread(target=_g).start()\ndef _g(): httpx.get(u)",
        "class A:\n @retry\n def f(self): self._g()\n def _g(self): httpx.get(u)\ndef h(a): a._g()",
        "def again(f): return f\n@again\ndef f(): httpx.get(u)",
        "@retry\ndef f(): pass\ndef __g(): httpx.get(u)",
    ],
)
def test_what_may_run_without_a_policy_is_found(look: Look, code: str) -> None:
    assert [one.partition(":")[2] for one in rules(look(START + code))] == ["RES001"]


def test_a_decorated_function_needs_no_timeout(look: Look) -> None:
    assert (
        rules(
            look("import requests\nfrom resilient import retry\n@retry\ndef f(): requests.get(u)")
        )
        == []
    )


@pytest.mark.parametrize("path", ["vendors", ".vendors"])
def test_a_bundle_from_another_file_decorates(look: Look, path: str) -> None:
    code = f"import httpx\nfrom {path} import github\n@github\ndef f(): httpx.get(u)"
    vendors = "from resilient import service\ngithub = service('github')"
    assert rules(look(code, vendors=vendors)) == []
    assert rules(look(code, vendors="def github(f): return f")) == ["4:RES001"]


def test_a_bundle_that_is_imported_onwards_decorates(look: Look) -> None:
    code = "import httpx\nfrom middle import github\n@github\ndef f(): httpx.get(u)"
    vendors = "from resilient import service\ngithub = service('github')"
    assert rules(look(code, middle="from vendors import github", vendors=vendors)) == []


def test_a_coroutine_is_told_what_it_can_do_instead(look: Look) -> None:
    (found,) = look("import httpx\nasync def f(): httpx.get(u)")
    assert "to_thread" in found.remedy
