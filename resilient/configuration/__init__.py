"""Configuration outside the code: a file and the environment over what the code says.

settings     what a source says, as a flat table of values with their places
lines        on which line of a TOML document a key stands
files        a file, read whole or refused whole
environment  RESILIENT_… variables
checking     options, checked by the policies themselves
overriding   from settings to the policies in force for one function
applying     the sources in force, and how a change reaches the functions
reloading    a file that is read again when it changes

Nothing but this module is loaded before there is something to configure.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from resilient.options import Seconds

if TYPE_CHECKING:
    from resilient.sharing.shared import SharedState

Table = Mapping[str, Mapping[str, Any]]
"""By name of a service or function: options by policy, `mode` and `enabled`."""


_VARIABLES = {
    f"RESILIENT_{name}"
    for name in ("CONFIG", "STORE", "STORE_TIMEOUT", "PUBLISH", "MODE", "ENABLED")
}


class Kept:
    """Stands for what is not given, and stays as it is."""

    def __repr__(self) -> str:
        return "…"


KEPT: Final = Kept()


def configure(
    *,
    file: str | os.PathLike[str] | Kept | None = KEPT,
    store: str | SharedState | Kept | None = KEPT,
    store_timeout: Seconds | Kept | None = KEPT,
    publish: bool | Kept | None = KEPT,
    mode: str | Kept | None = KEPT,
    enabled: bool | Kept | None = KEPT,
    services: Table | Kept | None = KEPT,
    functions: Table | Kept | None = KEPT,
) -> None:
    """Override what decorators say, for functions that are decorated already and for later ones.

    What is not given stays as it is; None takes back what was given before. A function's word goes
    before its service's, which goes before that of all. The environment goes before the file, the
    file before what is given here: operators have the last word.

    file: TOML with the same settings, read now, and again whenever it changes; a bad one is refused
        whole, and the last good one stays. The file that RESILIENT_CONFIG names goes before this
        one; without either it is `resilient.toml` in the working directory, if that was there when
        the program started.
    store: where workers share quotas, breakers and retry budgets that name no store of their own:
        see `throttled`.
    store_timeout: seconds that the store may take for one thing (0.25).
    publish: False keeps this process's figures out of the store; else they are put there every 10
        s, for `resilient report` and the dashboard.
    mode: "observe" makes all policies record what they would do, and do nothing; "enforce" takes
        back what @service(mode="observe") says.
    enabled: False lets all calls go straight to their functions.
    services: by name, what is said of all its functions: `{"github": {"mode": "observe", "retry":
        {"attempts": 1}}}`.
    functions: the same by "service.function".

    Raises: ConfigurationError; then nothing has changed.
    """
    from resilient.configuration.sources import sources

    given = {
        "store": store,
        "store_timeout": store_timeout,
        "publish": publish,
        "mode": mode,
        "enabled": enabled,
        "services": services,
        "functions": functions,
    }
    sources.configure({name: value for name, value in given.items() if value is not KEPT}, file)


def start() -> None:
    """Go by the environment and the file that are there when the program starts, if any.

    What is wrong with them is told of, and does not keep the program from starting.
    """
    if _has_something():
        from resilient.configuration.sources import sources

        sources.start()


def _has_something() -> bool:
    ours = [name for name in os.environ if name.startswith("RESILIENT_")]
    return any("__" in name or name in _VARIABLES for name in ours) or os.path.isfile(
        "resilient.toml"
    )


__all__ = ["KEPT", "Kept", "Table", "configure", "start"]
