from __future__ import annotations

from tests.stores.conftest import server

__all__ = ["server"]
