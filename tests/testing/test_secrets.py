from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest

from resilient.errors import ConfigurationError
from resilient.testing.secrets import assert_no_secrets

SECRET = "hunter2hunter2"


def test_text_without_secrets_passes(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("all is well\ntoken=***\n")
    assert_no_secrets("order 12 placed", b"ok", path, io.StringIO("x"), {"token": "***", "n": 1})
    assert_no_secrets([], None, (), secrets=[SECRET])


@pytest.mark.parametrize(
    "thing",
    [
        f"first\npassword={SECRET}",
        f"password={SECRET}".encode(),
        io.StringIO(f"token={SECRET}"),
        {"a": [{"api_key": SECRET}]},
        [("ok", f"https://u:{SECRET}@h")],
    ],
)
def test_a_secret_fails_the_test_and_is_not_shown(thing: object) -> None:
    with pytest.raises(AssertionError) as error:
        assert_no_secrets(thing)
    assert SECRET not in str(error.value)
    assert "***" in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        f"saw {SECRET} there",
        f"saw {base64.b64encode(SECRET.encode()).decode()} there",
        f"saw {base64.b64encode(b'u:' + SECRET.encode()).decode()} there",
    ],
)
def test_a_planted_secret_is_found_in_every_coding(text: str) -> None:
    assert_no_secrets(text)
    with pytest.raises(AssertionError, match="a planted secret shows in the text: saw") as error:
        assert_no_secrets(text, secrets=[SECRET])
    assert SECRET not in str(error.value)


def test_a_short_planted_secret_is_found_as_it_is() -> None:
    with pytest.raises(AssertionError, match=r"argument 2"):
        assert_no_secrets("fine", "it is abc", secrets=["abc"])


def test_a_file_and_what_a_test_captured_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "app.log"
    path.write_text("ok\n" + f"token={SECRET}\n")
    with pytest.raises(AssertionError, match=r"app\.log"):
        assert_no_secrets(path)
    print(f"token={SECRET}")
    with pytest.raises(AssertionError, match="item 0"):
        assert_no_secrets(capsys.readouterr())


def test_misuse_is_told() -> None:
    with pytest.raises(ConfigurationError, match="give it the text"):
        assert_no_secrets()
    with pytest.raises(ConfigurationError, match="use a list"):
        assert_no_secrets("x", secrets="abc")
    with pytest.raises(ConfigurationError, match="is empty"):
        assert_no_secrets("x", secrets=[""])
