"""How an application gets a dashboard, and where it hangs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resilient import options
from resilient.diagnostics.dashboard.access import Access, Tokens
from resilient.diagnostics.dashboard.app import App, Dashboard, StartResponse
from resilient.diagnostics.dashboard.live import Live
from resilient.diagnostics.dashboard.logs import Logs
from resilient.errors import ConfigurationError
from resilient.registry import Registry, registry


def dashboard(
    *,
    logs: str | Iterable[str] | None = None,
    tokens: Tokens | None = None,
    registry: Registry = registry,
    every: options.Seconds | None = None,
) -> Dashboard:
    """A WSGI application that shows how functions stand: states, rates, latencies, stories.

    logs: files or folders that processes dump their figures to; None shows this very process. Where
    an application has several workers, each shows itself: let them dump, and give the logs.
    tokens: by role, {"operator": "…", "viewer": "…"}, or several of them each: operators see the
    stories of failed calls, viewers figures only. None: only requests from this machine are
    answered. A proxy in front makes all requests come from its machine, so it needs tokens.
    every: seconds between two looks at the figures; 10 of a process, 5 at logs.

    It watches from now on, in a thread; `.close()` ends that.
    Raises: ConfigurationError; OSError for a log that is not there.
    """
    doorkeeper = Access(tokens)
    source: Live | Logs
    if logs is None:
        source = Live(registry, 10.0 if every is None else every)
    else:
        paths = [logs] if isinstance(logs, str) else list(logs)
        source = Logs(paths, 5.0 if every is None else every)
    source.start()
    return Dashboard(source, doorkeeper)


def mounted(app: App, path: str, board: App) -> App:
    """A WSGI application that answers below `path` with the board, and elsewhere with `app`."""
    if not isinstance(path, str) or not path.startswith("/") or not path.strip("/"):
        raise ConfigurationError(f'mounted(path={path!r}): use a path such as "/resilient".')
    path = "/" + path.strip("/")

    def both(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        asked = environ.get("PATH_INFO", "")
        if asked != path and not asked.startswith(f"{path}/"):
            return app(environ, start_response)
        # PEP 3333: what leads to the application, and what is left for it.
        inside = {
            **environ,
            "SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + path,
            "PATH_INFO": asked[len(path) :],
        }
        return board(inside, start_response)

    return both
