"""Alerts and target positions for people and programs: webhook, Telegram, a command, a file; on a thread of their own.

A delivery that fails is logged and tried no more; it never stops a session. Tokens come from the environment, and are shown
nowhere.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from candlecast.disk.files import put_flushed
from candlecast.errors import CandlecastError, ConfigError
from candlecast.live.events import PaperEvent
from candlecast.sources.posting import post_json, require_address
from candlecast.text.redaction import register_secret, shown

logger = logging.getLogger(__name__)

TOKEN = "TELEGRAM_BOT_TOKEN"
TELEGRAM = "https://api.telegram.org"
WAITING = 1_000  # messages that may wait; the oldest are dropped
SECONDS = 10.0
Deliver = Callable[[Mapping[str, Any]], None]


class Alert:
    """Calls `deliver` with one JSON object for each event, on a thread of its own.

    session: name that messages carry whose events have none.
    deliver: sends one message; whatever it raises is logged.
    is_targets: the target position of each bar, in place of sentences.
    """

    def __init__(self, session: str, deliver: Deliver, *, is_targets: bool = False) -> None:
        self.session, self.is_targets = session, is_targets
        self._deliver = deliver
        self._queue: queue.Queue[Mapping[str, Any] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, daemon=True, name="candlecast-alerts")
        self._thread.start()

    @property
    def wants_every_bar(self) -> bool:
        """Whether it is told every bar, and not only those with fills."""
        return self.is_targets

    def __call__(self, event: PaperEvent) -> None:
        """Hand an event over; returns at once."""
        if not event.is_live or (self.is_targets and (event.kind != "bar" or event.position is None)):
            return
        name = event.session or self.session
        message = target_of(name, event) if self.is_targets else message_of(name, event)
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(message)

    def close(self) -> None:
        """Deliver what waits, and end."""
        self._queue.put(None)
        self._thread.join(SECONDS)

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._deliver(message)
            except CandlecastError as error:
                logger.warning("%s", error.wrong)
            except Exception as error:
                logger.warning("an alert failed (%s)", type(error).__name__)


def message_of(session: str, event: PaperEvent) -> dict[str, Any]:
    """An event as a message."""
    return {
        "session": session,
        "kind": event.kind,
        "time": event.time.isoformat(),
        "state": event.state,
        "text": shown(event.text),
    }


def target_of(session: str, event: PaperEvent) -> dict[str, Any]:
    """The target position decided at a close: a fraction of equity, to be held from the next open on."""
    close = None if event.bar is None else event.bar.close
    return {
        "session": session,
        "time": event.time.isoformat(),
        "position": event.position,
        "close": close,
        "equity": event.equity,
        "state": event.state,
    }


def to_webhook(address: str) -> Deliver:
    """Posts each message to an address as JSON. Raises ConfigError for what is no address."""
    require_address(address)
    return lambda message: post_json(address, message)


def to_telegram(chat: str, *, base: str = TELEGRAM) -> Deliver:
    """Sends the text of each message to a chat, by the bot whose token is in TELEGRAM_BOT_TOKEN. Raises ConfigError."""
    token = os.environ.get(TOKEN, "")
    if not token:
        raise ConfigError(
            f"{TOKEN} is not set",
            expected="the token of a Telegram bot in the environment",
            remedy=f"Make a bot with @BotFather and set {TOKEN}",
        )
    register_secret(token)
    address = f"{base}/bot{token}/sendMessage"
    return lambda message: post_json(address, {"chat_id": chat, "text": f"{message['session']}: {message['text']}"})


def to_command(words: str) -> Deliver:
    """Runs a command for each message, with the message as JSON on its standard input."""
    parts = shlex.split(words)
    if not parts:
        raise ConfigError(
            "the command is empty", expected="a program and its arguments", remedy="Leave it out for none"
        )

    def deliver(message: Mapping[str, Any]) -> None:
        done = subprocess.run(
            parts, input=json.dumps(message).encode(), capture_output=True, timeout=SECONDS, check=False
        )
        if done.returncode:
            logger.warning("the command %s of an alert ended with %d", parts[0], done.returncode)

    return deliver


def to_file(path: Path) -> Deliver:
    """Writes each message to a file in place of the one before, in one step."""

    def deliver(message: Mapping[str, Any]) -> None:
        put_flushed(path, f"{json.dumps(message)}\n".encode())

    return deliver


def alerts_of(
    session: str,
    *,
    webhook: str | None = None,
    telegram: str | None = None,
    command: str | None = None,
    targets: str | None = None,
) -> list[Alert]:
    """Alerts to each of the places that are given. Raises ConfigError before anything is begun."""
    made: list[tuple[Deliver, bool]] = []
    for maker, given in ((to_webhook, webhook), (to_telegram, telegram), (to_command, command)):
        if given is not None:
            made.append((maker(given), False))
    if targets is not None:
        made.append((to_webhook(targets) if "://" in targets else to_file(Path(targets)), True))
    return [Alert(session, deliver, is_targets=is_targets) for deliver, is_targets in made]
