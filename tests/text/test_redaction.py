"""Text of third parties as it is shown: no control characters, no secrets, no endless lists."""

from __future__ import annotations

import base64
import copy
import json
import logging
import pickle
from urllib.parse import quote

import polars as pl
import pytest
from hypothesis import given, strategies as st

from candlecast import Store
from candlecast.candles import Candles
from candlecast.errors import CandlecastError, ConfigError, SourceError, StoreError, listed
from candlecast.store.table import explained
from candlecast.text.formatting import table
from candlecast.text.redaction import redacted, redacted_bytes, redacting_loggers, register_secret, shown, visible

SECRET = "Tr0ub4dor&3/+="


@pytest.fixture(autouse=True)
def registered():
    register_secret(SECRET)


FORMS = {
    "plain": SECRET,
    "lower": SECRET.lower(),
    "percent": quote(SECRET, safe=""),
    "lower percent": quote(SECRET, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "all in percent": "".join(f"%{byte:02x}" for byte in SECRET.encode()),
    "percent twice": quote(quote(SECRET, safe=""), safe=""),
    "JSON": "".join(f"\\u{ord(letter):04x}" for letter in SECRET),
    "JSON in JSON": json.dumps("".join(f"\\u{ord(letter):04X}" for letter in SECRET)),
    "mixed": "".join(f"\\u{ord(letter):04x}" if at % 2 else letter for at, letter in enumerate(SECRET)),
    "HTML": SECRET.replace("&", "&#38;"),
    "hexadecimal HTML": "".join(f"&#x{ord(letter):X};" for letter in SECRET),
    "UTF-16 LE": SECRET.encode("utf-16-le").decode(),
    "UTF-16 BE": SECRET.encode("utf-16-be").decode(),
    "Python": "".join(f"\\x{ord(letter):02x}" for letter in SECRET),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "base64 of user and password": base64.b64encode(f"me:{SECRET}".encode()).decode(),
    "base64 for addresses": base64.urlsafe_b64encode(f"x{SECRET}y".encode()).decode(),
    "hexadecimal": SECRET.encode().hex(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_redacted_in_every_encoding(form):
    echo = FORMS[form]
    left = redacted(f"before {echo} after")
    assert left.startswith("before ") and left.endswith(" after")
    assert "***" in left and len(left.replace("***", "")) < len("before  after") + len(echo) / 2
    for text in (
        redacted(echo),
        str(SourceError(echo, expected=echo, remedy=echo)),
        repr(ConfigError(echo, expected="x", remedy="y")),
    ):
        assert "***" in text
        assert echo not in text


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_secret_is_redacted_from_bytes(coding):
    body = f"key {SECRET}!".encode(coding)
    assert SECRET.encode(coding.replace("utf-16", "utf-16-le") if coding == "utf-16" else coding)[
        4:
    ] not in redacted_bytes(body, SECRET)
    assert b"***" in redacted_bytes(body, SECRET)


def test_a_secret_too_short_to_be_one_is_left_alone():
    register_secret("1.25")
    assert redacted("1.25") == "1.25"
    assert redacted_bytes(b"1.25", "1.25") == b"1.25"


@pytest.mark.parametrize(
    ("address", "left"),
    [
        ("s3://user:pass@bucket/x", "s3://***@bucket/x"),
        ("s3://user:p@ss/w:rd@bucket/x", "s3://***@bucket/x"),
        ("s3://token@bucket/x", "s3://***@bucket/x"),
        ("s3://:pass@bucket/x", "s3://***@bucket/x"),
        ("az://c/x?sv=1&sig=a%2Bb%3D&se=2", "az://c/x?sv=1&sig=***&se=2"),
        (
            "https://h/x?X-Amz-Signature=ff&X-Amz-Credential=AKIA",
            "https://h/x?X-Amz-Signature=***&X-Amz-Credential=***",
        ),
        ("gs://b?access_token=abc", "gs://b?access_token=***"),
        ("http://127.0.0.1:8080/a@b", "http://127.0.0.1:8080/a@b"),
        ("see https://www.alphavantage.co/support/#api-key", "see https://www.alphavantage.co/support/#api-key"),
        ("Use AlphaVantage(key=...)", "Use AlphaVantage(key=...)"),
    ],
)
def test_addresses_lose_their_passwords_and_nothing_else(address, left):
    assert redacted(address) == left


def test_a_store_shows_no_password(tmp_path):
    store = Store("s3://user:open-sesame@bucket/candles?token=abracadabra", {"aws_secret_access_key": "hocuspocus"})
    assert repr(store) == "Store(location='s3://***@bucket/candles?token=***')"
    assert store.url.startswith("s3://user:open-sesame@")  # what it is opened by
    error = StoreError(f"{store.url} says hocuspocus", expected="a store", remedy="Choose another")
    for text in (str(error), repr(error), error.wrong, repr(store._table)):
        assert not {"sesame", "abracadabra", "hocuspocus"} & set(text.replace("-", " ").replace("=", " ").split())
        assert "sesame" not in text
    with pytest.raises(StoreError) as raised, explained(store.url, "read"):
        raise OSError(f"GET {store.url} failed, key hocuspocus")
    assert not any(word in str(raised.value) for word in ("sesame", "abracadabra", "hocuspocus"))


@given(st.text())
def test_whatever_is_shown_is_one_printable_line(text):
    assert all(letter.isprintable() or letter.isspace() for letter in visible(text))
    assert len(visible(text).splitlines()) <= 1
    visible(text).encode()  # no halves of letters
    error = CandlecastError(text, expected=text, remedy=text)
    assert str(error).isprintable() and len(str(error).splitlines()) <= 1
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("over\rwritten", "over\\rwritten"),
        ("two\nlines", "two\\nlines"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\x9b31m", "\\x9b31m"),
        ("\x00", "\\x00"),
        ("\udc80", "\\udc80"),
        ("Müller €5 日本 12\u202f%", "Müller €5 日本 12 %"),
    ],
)
def test_controls_and_marks_of_direction_are_escaped(text, escaped):
    assert visible(text) == escaped
    assert table([[text, "1"]], ["name", "bars"]).splitlines()[1].startswith(escaped)


def test_a_symbol_of_controls_is_shown_as_escapes_wherever_it_goes():
    symbol = "BTC\x1b[2J\u202e"
    with pytest.raises(CandlecastError) as error:
        Candles.from_frame(pl.DataFrame({"a": [1]}), symbol=symbol, interval="1h")
    assert "BTC\\x1b[2J\\u202e" in str(error.value)


def test_long_lists_and_long_texts_are_cut():
    assert listed(range(105), most=3) == "0, 1, 2 and 102 more"
    frame = pl.DataFrame({f"column {number}": [1.0] for number in range(1_000)})
    with pytest.raises(CandlecastError, match="its columns are column 0, .*, column 7 and 992 more") as error:
        Candles.from_frame(frame, symbol="X", interval="1h")
    assert len(str(error.value)) < 500
    with pytest.raises(CandlecastError) as error:
        Store("x").read("binance", "A" * 1_000_000, "1h")
    assert len(str(error.value)) < 2_000
    assert len(str(ConfigError("a" * 100_000, expected="less", remedy="Shorten it"))) < 1_700


def test_names_too_long_for_a_folder_are_refused_before_anything_is_asked(tmp_path):
    store = Store(tmp_path)
    for symbol in ("A" * 181, "日" * 31, "/" * 61):
        with pytest.raises(ConfigError, match="has .* characters; expected at most 180 bytes"):
            store.read("binance", symbol, "1h")


def test_libraries_log_no_secrets(caplog):
    caplog.set_level(logging.DEBUG)
    logger = logging.getLogger("httpcore.http11")
    with redacting_loggers("httpcore.http11"):
        logger.debug("headers %r", [(b"Location", f"/query?apikey={SECRET}".encode())])
    assert not logger.filters
    assert caplog.messages == ["headers [(b'Location', b'/query?apikey=***')]"]
    assert shown("a\nb") == "a\\nb"
