"""What is done when a process ends."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys

import pytest

SAID = """
from functools import partial
from resilient.ending import at_end

one, two = partial(print, "one"), partial(print, "two")
def broken():
    print("broken")
    raise RuntimeError("token=hunter2")
at_end(one)
at_end(two)
at_end(broken)
at_end(one)
"""


def run(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SAID + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_newest_comes_first_each_once_and_an_error_keeps_no_other_from_it() -> None:
    assert run("") == ["one", "broken", "two"]


def test_so_it_is_where_multiprocessing_has_a_say_in_the_end() -> None:
    assert run("import multiprocessing.util; at_end(two)") == ["two", "one", "broken"]


@pytest.mark.skipif(not hasattr(multiprocessing, "get_context"), reason="no processes here")
@pytest.mark.parametrize(
    "how", [how for how in multiprocessing.get_all_start_methods() if how == "fork"]
)
def test_a_process_of_multiprocessing_does_it_too(how: str) -> None:
    code = f"""
import multiprocessing, warnings
warnings.simplefilter("ignore")
child = multiprocessing.get_context({how!r}).Process(target=print, args=["child"])
child.start()
child.join()
print("parent")
"""
    words = ["one", "broken", "two"]
    assert run(code) == ["child", *words, "parent", *words]


LATE = """
import threading
from resilient.refreshing import Refreshes
from resilient.ending import start_thread

refreshes = Refreshes()
class Late:
    def __del__(self):
        try:
            start_thread(threading.Thread(target=print, daemon=True))
        except RuntimeError as error:
            print(error)
        print(refreshes.submit("key", print))
late = Late()
"""


def test_what_runs_at_the_very_end_is_told_that_it_can_have_no_thread() -> None:
    assert " ".join(run(LATE)).endswith("can't start new thread at interpreter shutdown False")
