"""Whether the servers of the sources answer, each within a short time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from candlecast.errors import CandlecastError
from candlecast.sources.retry import Retry, SlowError
from candlecast.text.redaction import shown

ADDRESSES = {
    "binance": "https://api.binance.com/api/v3/ping",
    "binance dumps": "https://data.binance.vision/",
    "binance-usdm": "https://fapi.binance.com/fapi/v1/ping",
    "yahoo": "https://query1.finance.yahoo.com/",
    "alphavantage": "https://www.alphavantage.co/",
}
BYTES = 1 << 20  # of an answer; more is an answer too
BLOCKED = (401, 403, 407, 451)  # no data for this address, or a proxy that wants a password


@dataclass(frozen=True)
class Reach:
    """What came of one request. `is_reached`: whether the server itself answered, and did not refuse this network."""

    name: str
    is_reached: bool
    text: str
    seconds: float


def reach(addresses: Mapping[str, str] = ADDRESSES, *, seconds: float = 4.0) -> list[Reach]:
    """Ask each address once, all at the same time, through the proxies of the environment.

    Args:
        addresses: by the names of the sources.
        seconds: after which a server has not answered.

    >>> [(each.name, each.is_reached) for each in reach({"nobody": "http://127.0.0.1:9/"})]
    [('nobody', False)]
    """
    found: dict[str, Reach] = {}

    def ask(name: str, address: str) -> None:
        found[name] = _reach(name, address, seconds)

    threads = [threading.Thread(target=ask, args=pair, daemon=True) for pair in addresses.items()]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds + 1
    for thread in threads:  # the name of a server may be looked up for longer than any limit of a connection
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {seconds:g} s"
    return [found.get(name) or Reach(name, is_reached=False, text=late, seconds=seconds) for name in addresses]


def _reach(name: str, address: str, seconds: float) -> Reach:
    import httpx

    from candlecast.sources.proxies import proxy_of
    from candlecast.sources.transport import Bounded

    began = time.monotonic()
    retry = Retry(attempts=1, timeout_seconds=seconds, answer_seconds=seconds, answer_bytes=BYTES)
    try:
        way = "" if proxy_of(address) is None else " through the proxy"
        with httpx.Client(transport=Bounded(retry)) as client:
            status = client.get(address, headers={"User-Agent": "candlecast"}).status_code
        is_reached, text = status not in BLOCKED, f"answers {status}{way}"
        if not is_reached:
            text = f"refuses this network: answers {status}{way}"
    except CandlecastError as error:  # a proxy or certificates that cannot be used, or an answer that is too large
        is_reached, text = False, error.wrong
    except Exception as error:  # whatever httpx and httpcore raise for a server that cannot be reached
        kind = type(error).__name__
        is_late = isinstance(error, SlowError) or "Timeout" in kind
        is_reached, text = False, f"no answer within {seconds:g} s" if is_late else f"no connection ({kind})"
    return Reach(name, is_reached, shown(text), time.monotonic() - began)
