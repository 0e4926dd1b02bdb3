"""The pytest fixtures, in a pytest run of their own."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import requests  # noqa: F401  # pytester forgets what an inner run was the first to import

pytest_plugins = ["pytester"]

PLUGIN = "resilient.testing.plugin"


def run(pytester: pytest.Pytester, source: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    is_installed = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
    # Where the distribution is installed pytest has the plugin already, and refuses a second.
    plugin = [] if is_installed else ["-p", PLUGIN]
    return pytester.runpytest_inprocess(*plugin, "-p", "no:randomly", "-p", "no:cacheprovider")


def test_the_clock_fixture_is_in_force_during_the_test_only(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import time
        from resilient.timing import clock

        def test_fake(resilient_clock):
            clock.sleep(3600)
            assert resilient_clock.slept == [3600]

        def test_real():
            assert clock.sleep is time.sleep
        """,
    )
    result.assert_outcomes(passed=2)


def test_the_vendor_fixture_makes_vendors_and_closes_them(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest, requests
        vendors = []

        def test_open(resilient_vendor):
            vendors[:] = [resilient_vendor("503, 200"), resilient_vendor({"/a": "404"})]
            codes = [requests.get(vendor.url_for("/a")).status_code for vendor in vendors]
            assert codes == [503, 404]

        def test_closed():
            for vendor in vendors:
                with pytest.raises(requests.ConnectionError):
                    requests.get(vendor.url)
        """,
    )
    result.assert_outcomes(passed=2)


def test_the_clock_and_the_vendor_go_together_in_any_order(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest, requests

        def check(vendor, clock):
            with pytest.raises(requests.Timeout):
                requests.get(vendor("timeout").url, timeout=30)
            assert clock.now == 30

        def test_one(resilient_clock, resilient_vendor):
            check(resilient_vendor, resilient_clock)

        def test_other(resilient_vendor, resilient_clock):
            check(resilient_vendor, resilient_clock)
        """,
    )
    result.assert_outcomes(passed=2)


def test_steps_are_recorded_and_policies_turned_off(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        from resilient import pipeline
        from resilient.call import listeners

        def test_steps(resilient_steps):
            listeners.announce("opened", "github", "by hand")
            assert resilient_steps.kinds() == ["opened"]

        def test_off(resilient_off):
            assert not pipeline.enabled()

        def test_on():
            assert pipeline.enabled()
        """,
    )
    result.assert_outcomes(passed=3)


def test_the_testing_package_needs_no_pytest() -> None:
    code = "import sys, resilient.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
