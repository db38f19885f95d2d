"""Posting JSON to an address of the user's: short, bounded, and never shown with its secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from candlecast.errors import ConfigError, SourceError
from candlecast.sources.web import WIRE_LOGGERS
from candlecast.text.redaction import redacting_loggers, register_secret

SECONDS = 10.0
SCHEMES = ("http", "https")


def require_address(address: str) -> str:
    """The address, when something can be posted to it; what is secret in it is never shown. Raises ConfigError."""
    parts = urlsplit(address)
    for secret in (parts.password, *(part for part in parts.path.split("/") if len(part) > 20)):
        if secret:
            register_secret(secret)
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise ConfigError(
            f"the webhook is {address!r}", expected="an address of http or https", remedy="Use https://example.org/hook"
        )
    return address


def post_json(address: str, value: Mapping[str, Any]) -> None:
    """Post one JSON object. Raises SourceError, which does not show the address's secrets."""
    import httpx

    try:
        with redacting_loggers(*WIRE_LOGGERS):
            answer = httpx.post(
                address, content=json.dumps(value), headers={"Content-Type": "application/json"}, timeout=SECONDS
            )
    except Exception as error:
        raise _failed(address, type(error).__name__) from None
    if answer.is_error:
        raise _failed(address, f"it answers {answer.status_code}")


def _failed(address: str, why: str) -> SourceError:
    return SourceError(
        f"posting to {urlsplit(address).hostname} failed ({why})",
        expected="an address that takes JSON",
        remedy="Check the address and the network; the session goes on",
    )
