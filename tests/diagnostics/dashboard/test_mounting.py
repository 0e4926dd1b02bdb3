from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resilient import ConfigurationError
from resilient.diagnostics.dashboard import Access, Dashboard, Live, mounted
from resilient.diagnostics.dashboard.app import App
from resilient.registry import Registry
from tests.diagnostics.dashboard.conftest import OPERATOR, TOKENS, Client


def plain_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"the application at {environ['PATH_INFO']}".encode()]


def flask_app() -> App:
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    app = flask.Flask("app")
    app.add_url_rule("/<path:path>", view_func=lambda path: f"the application at /{path}")
    return app.wsgi_app  # type: ignore[no-any-return]  # Flask may not be installed


def django_app() -> App:
    pytest.importorskip("django", reason="Django is not installed")
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import HttpResponse
    from django.urls import re_path

    if not settings.configured:

        def view(request: Any) -> Any:
            return HttpResponse(f"the application at {request.path}")

        settings.configure(
            ROOT_URLCONF=(re_path("", view),), ALLOWED_HOSTS=["*"], LOGGING_CONFIG=None
        )
        django.setup()
    return get_wsgi_application()  # type: ignore[no-any-return]  # Django may not be installed


APPS = {"plain": lambda: plain_app, "flask": flask_app, "django": django_app}


@pytest.mark.parametrize("kind", APPS)
def test_it_hangs_in_an_application_which_goes_on_as_before(kind: str) -> None:
    board = Dashboard(Live(Registry()), Access(TOKENS))
    client = Client(mounted(APPS[kind](), "/board", board))
    assert client.get("/other").text == "the application at /other"
    assert client.get("/boards").text == "the application at /boards"
    assert client.get("/board").status == 401
    got = client.post("/board/login", form={"token": OPERATOR})
    assert (got.status, got.headers["Location"]) == (303, "/board/")
    assert "Path=/board;" in got.headers["Set-Cookie"]
    page = client.get("/board/")
    assert page.status == 200
    assert 'href="/board/style.css?v=' in page.text
    assert client.get("/board").headers["Location"] == "/board/"


def test_it_hangs_below_another_mount() -> None:
    board = Dashboard(Live(Registry()), Access())
    got = Client(mounted(plain_app, "/ops/", board)).get("/ops/", SCRIPT_NAME="/app")
    assert 'href="/app/ops/style.css?v=' in got.text


@pytest.mark.parametrize("path", ["", "/", "board", None, 7])
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"mounted\(path="):
        mounted(plain_app, path, plain_app)
