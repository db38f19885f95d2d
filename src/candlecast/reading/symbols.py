"""The symbol that a file's name or its first lines say, whole: BRK-A, BTC-USD, 005930.KS, ^TNX, BINANCE:BTCUSDT."""

from __future__ import annotations

import re
from collections.abc import Sequence

from candlecast.reading.days import plain, read_days

ENDINGS = re.compile(
    r"\.(csv|tsv|txt|dat|json|jsonl|ndjson|parquet|pq|feather|arrow|ipc|xlsx|xlsm|xlsb|xls|ods|gz|zip|zst|bz2|xz)$",
    re.IGNORECASE,
)
INTERVAL = re.compile(
    r"(\d{1,4}-?)?(s|sec|m|mi|min|mins|minute|minutes|h|hr|hrs|hour|hours|hourly|d|day|days|daily|w|wk|week|weekly|weeks|mo|mon|month|monthly|intraday|eod|tick|ticks)"
    r"|[MHDWmhdw]\d{1,4}|MN1?|D1|W1|\d+[smhdwSMHDW]",
    re.IGNORECASE,
)
DATE = re.compile(
    r"(19|20)\d\d([-.]?\d\d){0,2}|\d{6,14}|\d{1,2}([-.]\d{1,2}){1,2}([-.]\d{2,4})?|\d{1,2}\.\d{1,2}\.\d{4}"
)
NOISE_WORDS = """
    data dat ascii historical historic history historicaldata historicalprices historicalquotes quotes quote
    quotation prices price stock stocks equity eq index indices futures future ohlcv ohlc candle candles
    candlestick kline klines aggs agg bars bar trade trades export exported sample download downloaded file
    table series all full raw adjusted adj unadjusted split merged clean cleaned final new old copy bid ask
    mid to from of the for with and spot perp perpetual swap um cm csv txt max min market exchange table_
    daten historische historiques donnees historicos datos dados gecmis verileri proshlye прошлые данные dati
    storici koersen historyczne kurs kurse wiki binance coinbase kraken bitfinex bitstamp gemini kucoin okx
    bybit gateio huobi bitmex poloniex bittrex coinmarketcap coingecko cryptocompare cryptodatadownload
    alphavantage alpha vantage polygon investing com investingcom yahoo yfinance nasdaqcom stooq finam
    dukascopy histdata tushare akshare tiingo quandl iex alpaca krx nse_ kibot firstrate firstratedata
    barchart oanda_ mt4 mt5 metatrader tradingview
"""
NOISE = set(NOISE_WORDS.split())
QUOTE_WORDS = """
    USD USDT USDC BUSD TUSD FDUSD DAI EUR GBP JPY CHF AUD CAD NZD BTC ETH BNB XBT TRY RUB KRW CNY INR BRL MXN
    ZAR PLN SEK NOK DKK HKD SGD UAH IDR
"""  # currencies that others are quoted in
QUOTES = set(QUOTE_WORDS.split())
METATRADER = re.compile(r"([A-Z]{6})(1|5|15|30|60|240|1440|10080|43200)")
TRADINGVIEW = re.compile(r"(.+?), ?(\d+|\d*[DWMSHdwmsh])( ?\(\d+\)|_[0-9a-f]+)?")
SAYS = re.compile(r"^\W*(?:symbol|ticker|instrument)\W{1,3}([^\s,;\"']+)", re.IGNORECASE)
TERMINAL = re.compile(r"^\W*(\S+) [A-Z]{2} (?:equity|index|curncy|comdty)\b", re.IGNORECASE)


def from_banner(banner: Sequence[str]) -> str | None:
    """The symbol that a line before the header says.

    >>> from_banner(['"Symbol: ESH24",,,,']), from_banner(["SPY US Equity,,,"]), from_banner(["www.example.com"])
    ('ESH24', 'SPY', None)
    """
    for line in banner:
        match = SAYS.match(line) or TERMINAL.match(line)
        if match:
            return match[1].strip("\"'")
    return None


def from_name(*names: str) -> str:
    """The symbol in the first of some names that has one, without intervals, dates, vendors and words such as "data".

    >>> from_name("BTCUSDT-1h-2024-03.csv.gz"), from_name("BRK-A.csv"), from_name("BTC-USD_3600.csv"), from_name("005930.KS.csv")
    ('BTCUSDT', 'BRK-A', 'BTC-USD', '005930.KS')
    >>> from_name("BINANCE_BTCUSDT, 60.csv"), from_name("BTC_USDT-1h.feather"), from_name("intraday_5min_IBM.csv")
    ('BINANCE:BTCUSDT', 'BTC/USDT', 'IBM')
    """
    stems = [_stem(name) for name in names]
    return next((found for found in map(_found, stems) if found), re.split(r"[-_\s.]", stems[-1])[0] or stems[-1])


def _stem(name: str) -> str:
    while (shorter := ENDINGS.sub("", name)) != name and shorter:
        name = shorter
    return name


def _found(stem: str) -> str:
    match = TRADINGVIEW.fullmatch(stem)
    if match:
        exchange, _, symbol = match[1].rpartition("_")
        return f"{exchange}:{symbol}" if exchange else symbol
    words = [word for word in re.split(r"[_\s(),;\[\]]+", stem) if word.strip("-–— ")]
    found: list[str] = []
    spaced = " " in stem
    for number, word in enumerate(words):
        part, is_ended = _core(word)
        if not part:
            if found:
                break
            continue
        following = words[number + 1] if number + 1 < len(words) else ""
        quote = re.split(r"[-.]", following)[0]
        if not found and quote in QUOTES and re.fullmatch(r"[A-Z0-9]{2,10}", part) and f"{part}_{following}" in stem:
            return f"{part}/{quote}"
        found.append(part)
        if is_ended or not spaced:
            break
    symbol = " ".join(found)
    forex = METATRADER.fullmatch(symbol)
    return forex[1] if forex else symbol


def _core(word: str) -> tuple[str, bool]:
    """The part of a word that is no noise, with hyphens inside, and whether noise follows it."""
    if _is_noise(word):
        return "", False
    parts = word.split("-")
    while parts and (_is_noise(parts[0]) or not parts[0]):
        parts = parts[1:]
    kept = []
    for part in parts:
        if kept and (_is_noise(part) or not part):
            return "-".join(kept), True
        kept.append(part)
    return "-".join(kept), False


def _is_noise(word: str) -> bool:
    if plain(word).replace(".", "") in NOISE or INTERVAL.fullmatch(word):
        return True
    is_date = DATE.fullmatch(word) is not None
    return is_date and (len(word) != 6 or not word.isdigit() or read_days(word) is not None)
