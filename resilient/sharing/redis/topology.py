"""Servers behind several addresses: a cluster, and those that sentinels watch.

redis-py knows who has what. A server that is reached by it is asked by our own connections, which
end in time; the clients of a cluster are redis-py's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode

from resilient.errors import ConfigurationError
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.redis_connection import SCHEMES, Wire
from resilient.stores.redis_scripts import Script
from resilient.stores.redis_server import UnknownScript, failure_of

if TYPE_CHECKING:
    from redis import Connection

_left_to_the_parent: list[object] = []
"""What a forked child found open."""

_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:(?P<port>\d{1,5}))?", re.ASCII)


class _Address:
    """What a URL with several hosts says.

    credentials: "user:password@" as it was written, or "". hosts: of the first, or all sentinels.
    path, query: what follows them.
    """

    def __init__(self, scheme: str, rest: str, port: int, example: str) -> None:
        self.scheme = scheme
        authority, _, behind = rest.partition("/")
        self.path, _, self.query = behind.partition("?")
        credentials, at, hosts = authority.rpartition("@")
        self.credentials = credentials + at
        found = [_HOST.fullmatch(one) for one in hosts.split(",")]
        if scheme not in SCHEMES or scheme == "unix" or None in found:
            raise ConfigurationError(f'open_state("{example}"): write the URL like this one.')
        self.hosts = [
            (one["host"].strip("[]"), int(one["port"] or port)) for one in found if one is not None
        ]

    def url_of(self, host: str, port: int, query: str, path: str = "") -> str:
        """The same for one host."""
        where = f"[{host}]" if ":" in host else host
        url = f"{self.scheme}://{self.credentials}{where}:{port}/{path}"
        return f"{url}?{query}" if query else url

    @property
    def label(self) -> str:
        return ",".join(f"{host}:{port}" for host, port in self.hosts)


class SentinelWire:
    """See Wire. A new connection goes to whom the sentinels name just then; one to a server that
    has been replaced fails, and so a new one is made.
    """

    EXAMPLE = "redis+sentinel://user:password@host1:26379,host2:26379/name/0"

    def __init__(self, scheme: str, rest: str, bound: float) -> None:
        address = _Address(scheme, rest, 26379, self.EXAMPLE)
        self._service, _, self._database = address.path.partition("/")
        if not self._service:
            raise ConfigurationError(
                f'open_state("{self.EXAMPLE}"): the name of what the sentinels watch is missing.'
            )
        self.label = f"{self._service} of {address.label}"
        self._address = address
        self._bound = bound
        own, self._query = _sentinels_own(address.query)
        # It makes no connection, but looks at the URL, and has redis-py at hand.
        self._master = self._wire_to("localhost", 6379)
        import redis

        # Of those that don't answer, each takes its share of the time.
        patience = bound / len(address.hosts)
        sentinel: Any = redis.Sentinel
        self._sentinels = sentinel(
            address.hosts,
            sentinel_kwargs={
                **own,
                "socket_timeout": patience,
                "socket_connect_timeout": patience,
                "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
                "protocol": 2,
            },
        )

    def open(self) -> Connection:
        """A connection to the one that may be written to. Raises what redis-py raises."""
        import redis

        try:
            host, port = self._sentinels.discover_master(unquote(self._service))
        except redis.sentinel.MasterNotFoundError as error:
            raise redis.ConnectionError("no sentinel names a server to write to") from error
        self._master = self._wire_to(host, port)
        return self._master.open()

    def ask(self, connection: Connection, command: bytes) -> Any:
        """See Wire."""
        return self._master.ask(connection, command)

    def _wire_to(self, host: str, port: int) -> Wire:
        url = self._address.url_of(host, port, self._query, self._database)
        return Wire(url, self._bound, "open_state")


class ClusterServer:
    """As RedisServer, of the cluster that any of the hosts is a node of.

    A node that does not answer costs `bound` seconds for each step of finding another one: the
    guard of the store leaves the cluster alone after that.
    """

    EXAMPLE = "redis+cluster://user:password@host1:6379,host2:6379"

    def __init__(self, scheme: str, rest: str, bound: float) -> None:
        address = _Address(scheme, rest, 6379, self.EXAMPLE)
        self.label = f"cluster of {address.label}"
        host, port = address.hosts[0]
        # It makes no connection: what can't be read is told now.
        wire = Wire(address.url_of(host, port, address.query), bound, "open_state")
        self._options = {
            name: value
            for name, value in wire.options.items()
            if name not in ("host", "port", "db", "health_check_interval")
        }
        self._options["ssl"] = SCHEMES[address.scheme] == "rediss"
        self._hosts = address.hosts
        self._client: Any = None

    def run(
        self,
        script: Script,
        keys: Sequence[bytes],
        arguments: Sequence[bytes],
        *,
        writes: bool = True,
    ) -> Any:
        """See RedisServer."""
        client = self._client or self._connected()
        rest = (len(keys), *keys, *arguments)
        try:
            try:
                return client.execute_command("EVALSHA", script.sha, *rest)
            except Exception as error:
                if not isinstance(failure_of(error, writes=writes), UnknownScript):
                    raise
                return client.execute_command("EVAL", script.text, *rest)
        except Exception as error:
            failure = failure_of(error, writes=writes)
            if isinstance(failure, UnknownScript):  # of the text that it was just sent
                failure = StoreFailed("it refuses (NOSCRIPT)")
            raise failure from error

    def close(self) -> None:
        """Close connections; a new client is made when it is asked again."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                client.close()

    def renew_in_child(self) -> None:
        """Give up the connections that are the parent's."""
        _left_to_the_parent.append(self._client)
        self._client = None

    def _connected(self) -> Any:
        import redis

        node: Any = redis.cluster.ClusterNode
        nodes = [node(host, port) for host, port in self._hosts]
        try:
            client = redis.RedisCluster(startup_nodes=nodes, **self._options)
        except Exception as error:
            raise StoreFailed("it can't be reached, or is no cluster") from error
        if self._client is None:
            self._client = client
        return client


def _sentinels_own(query: str) -> tuple[dict[str, str], str]:
    """What a URL says of the sentinels themselves, as "sentinel_password", and the rest of it."""
    pairs = parse_qsl(query, keep_blank_values=True)
    own = {name.removeprefix(_OWN): value for name, value in pairs if name.startswith(_OWN)}
    if not own.keys() <= {"username", "password"}:
        raise ConfigurationError(
            f'open_state("{SentinelWire.EXAMPLE}"): of the sentinels, {_OWN}username and '
            f"{_OWN}password can be told."
        )
    return own, urlencode([pair for pair in pairs if not pair[0].startswith(_OWN)])


_OWN = "sentinel_"
