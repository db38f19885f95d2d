"""Addresses of an exchange in ccxt, which are nested in ways that differ between exchanges."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit


def moved(addresses: Any, url: str) -> Any:
    """Addresses (nested in ways that differ between exchanges) with the scheme and host of `url` and their own paths."""
    if isinstance(addresses, dict):
        return {name: moved(address, url) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    return urlunsplit((*urlsplit(url)[:2], *urlsplit(addresses)[2:]))


def first_address(addresses: Any) -> str:
    """The first of them."""
    return addresses if isinstance(addresses, str) else first_address(next(iter(addresses.values())))
