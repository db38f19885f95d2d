"""The proxy for an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; the same rules for every source."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from candlecast.errors import ConfigError

SCHEMES = ("http", "https", "socks5", "socks5h")


def proxy_of(url: str) -> str | None:
    """The address of the proxy in the environment (or the system's settings); None for a direct connection.

    A name in NO_PROXY covers the host and its subdomains, with or without a port. Networks such as 10.0.0.0/8 are allowed,
    and `*` means no proxy at all. Raises ConfigError for an invalid address.
    """
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _is_direct(parts.hostname or "", parts.netloc.rpartition("@")[2], proxies.get("no", "")):
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    with suppress(ValueError):  # an invalid port
        found = urlsplit(address)
        if found.scheme.lower() in SCHEMES and found.hostname and found.port != 0:
            return address
    raise ConfigError(
        f"the proxy for {parts.scheme} is {address}",
        expected=f"an address with a host, of {', '.join(SCHEMES)}",
        remedy="Correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY in the environment, or name the host in NO_PROXY",
    )


def _is_direct(host: str, place: str, excepted: str) -> bool:
    if proxy_bypass(place) or proxy_bypass(host):
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for name in excepted.split(","):
            with suppress(ValueError):
                if address in ipaddress.ip_network(name.strip(), strict=False):
                    return True
    return False
