"""Loopback servers, and sources that point at them and never really wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from candlecast.sources.binance import Binance
from candlecast.sources.retry import Retry
from servers import BinanceWorld, Server, market_server


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """yfinance keeps time zones and cookies on disk."""
    import yfinance
    from yfinance import cache

    yfinance.set_tz_cache_location(str(tmp_path_factory.mktemp("yfinance")))
    yield
    for manager in (cache._TzDBManager, cache._CookieDBManager, cache._ISINDBManager):
        manager.close_db()


@pytest.fixture
def server() -> Iterator[Server]:
    with market_server() as running:
        yield running


@pytest.fixture
def retry(server) -> Retry:
    """Waits on the server's clock alone, without jitter."""
    return Retry(pause=server.wait, jitter=lambda: 0.0, timeout_seconds=120.0)


@pytest.fixture
def world(server) -> BinanceWorld:
    return BinanceWorld().mount(server)


@pytest.fixture
def binance(server, world, retry) -> Callable[..., Binance]:
    def make(**fields) -> Binance:
        return Binance(**{**world.addresses, "retry": retry, "is_paced": False, "clock": server.clock, **fields})

    return make
