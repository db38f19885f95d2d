"""What exporters call the columns of candles, in the languages that they write."""

from __future__ import annotations

import re

from candlecast.reading.days import plain

PRICES = ("open", "high", "low", "close")

# Of each role, names in the order in which they are preferred; a name stands as `canonical` writes it.
NAMES: dict[str, tuple[str, ...]] = {
    "open": (
        "open", "open price", "opening price", "openprice", "opnpric", "op", "o", "eroffnung", "eroffnungskurs",
        "offnung", "offn", "eroffn", "erster", "ouverture", "ouv", "premier", "apertura", "aper", "abertura",
        "abert", "primeiro", "ab", "openen", "opening", "otwarcie", "oteviraci", "nyito", "oppning", "acilis",
        "откр", "открытие", "цена открытия", "开盘", "开盘价", "开盘价(元)", "開盤價", "開盤", "始値", "始", "시가", "pembukaan",
        "avaus", "apening", "abnv", "vidkryttya", "mo cua",
    ),
    "high": (
        "high", "high price", "highest price", "highprice", "hghpric", "highest", "max", "hi", "h", "hoch",
        "tageshoch", "hochst", "hochstkurs", "plus haut", "haut", "max price", "maximo", "massimo", "maxima",
        "maximum", "hoog", "hoogste", "najwyzszy", "maksimum", "hogst", "hogsta", "yuksek", "макс", "максимум",
        "максимальная цена", "最高", "最高价", "最高价(元)", "最高價", "高値", "高", "고가", "tertinggi", "ylin", "hoj", "hoyest",
        "cao nhat",
    ),
    "low": (
        "low", "low price", "lowest price", "lowprice", "lwpric", "lowest", "min", "lo", "l", "tief", "tagestief",
        "tiefst", "tiefstkurs", "plus bas", "bas", "min price", "minimo", "minima", "minimum", "laag", "laagste",
        "najnizszy", "lagst", "lagsta", "dusuk", "мин", "минимум", "минимальная цена", "最低", "最低价", "最低价(元)", "最低價",
        "安値", "安", "저가", "terendah", "alin", "lav", "lavest", "thap nhat",
    ),
    "close": (
        "close", "close price", "closing price", "closeprice", "clspric", "cl", "c", "schluss", "schlusskurs",
        "cloture", "clot", "cierre", "chiusura", "fechamento", "fech", "fecho", "slot", "slotkoers", "zamkniecie",
        "zaviraci", "zaro", "stangning", "kapanis", "закр", "закрытие", "цена закрытия", "收盘", "收盘价", "收盘价(元)",
        "收盤價", "收盤", "終値", "終", "종가", "penutupan", "close/last", "close last", "last", "last price", "px last",
        "ultimo", "dernier", "zuletzt", "letzter", "son", "laatste", "ultimo prezzo", "price", "цена", "simdi",
        "현재가", "terakhir", "ostatnio", "lan cuoi", "settle", "settlement price",
    ),
    "volume": (
        "volume", "volumes", "total volume", "volume traded", "traded volume", "trade volume",
        "total traded quantity", "total trade quantity", "tottrdqty", "ttl trd qnty", "ttltradgvol",
        "deliverable volume", "no of shares", "stucke", "stuck", "umsatz", "vol", "vol (shares)", "volume (shares)",
        "shares traded", "shares volume", "base volume", "basevolume", "volume base", "quantity", "qty", "v",
        "volumen", "volumens", "volume in", "volum", "volym", "wolumen", "objem", "hacim", "hac", "titres", "объем",
        "объ", "成交量", "成交量(股)", "成交量(手)", "成交股數", "成交数量", "出来高", "거래량", "totalvolume", "kl", "menge",
        "handelsvolumen", "volume negociado", "ilosc", "forgalom", "vol.",
    ),
    "ticks": ("tick volume", "tickvol", "tick vol", "ticks", "tickvolume"),
    "symbol": (
        "symbol", "ticker", "tic",
        "ticker symbol", "instrument", "instrument name", "instrument id", "inst id", "instid", "ts code",
        "tckrsymb", "stock", "stock symbol", "security", "security id", "pair", "market", "asset", "coin",
        "product id", "contract", "secid", "code", "stock code", "股票代码", "股票代號", "证券代码", "證券代號",
        "代码", "銘柄コード",
        "コード", "종목코드", "단축코드", "wertpapier", "sid", "ric", "codigo", "name", "#ric",
    ),
}  # fmt: skip
OPENED = (
    "open time", "opentime", "time open", "timeopen", "open datetime", "open timestamp", "kline open time",
    "candle begin time", "window start", "start", "start time", "starttime", "begin", "begin time", "bar start",
    "period start", "open date", "time start",
)  # fmt: skip
TIMES = (
    "timestamp", "time", "datetime", "date time", "date", "unix", "unix timestamp", "unix time", "unixtime", "ts",
    "t", "epoch", "mts", "gmt time", "local time", "utc time", "time utc", "date utc", "datetime utc",
    "timestamp utc", "dates", "trade date", "tradedate", "trading date", "trade time", "trading day",
    "exchange date", "price date", "quote date", "date1", "dtyyyymmdd", "dt", "day", "snapped at", "ts event",
    "datum", "tag", "datetijd", "zeit", "data", "fecha", "fecha hora", "jour", "tarih", "дата", "день", "dag",
    "paivamaara", "日期", "交易日期", "日付", "年月日", "日時", "データ日付",
    "일자", "날짜", "일시", "时间", "交易时间", "tanggal", "ngay",
    "period", "bar time", "created at", "month", "week", "year", "begins at", "candle time", "traddt", "bizdt",
    "mkttime",
)  # fmt: skip
CLOSED = (
    "close time", "closetime", "time close", "timeclose", "close datetime", "close timestamp", "kline close time",
    "end", "end time", "endtime", "window end", "bar end", "period end", "close date", "time end", "time period end",
)  # fmt: skip
CLOCKS = (
    "time", "timestamp", "hour", "clock", "time of day", "uhrzeit", "zeit", "heure", "hora", "ora", "czas",
    "godzina", "saat", "время", "时间", "時間", "時刻", "시간", "시각", "tijd", "tid", "trade time", "minute",
)  # fmt: skip
ENGLISH = {
    *(
        name
        for role in PRICES
        for name in NAMES[role]
        if re.fullmatch(r"(open|high|low|close|closing|opening|last|price|px|settle).*|[ohlc]|max|min", name)
    )
}
ADJUSTED = re.compile(
    r"^(?:adj|adjusted) ?\(?(open|high|low|close|volume)\)?$|^(open|high|low|close|volume) ?\(?(?:adj|adjusted)\)?$"
)
RANK = {role: {name: position for position, name in enumerate(names)} for role, names in NAMES.items()}
EVENTS = re.compile(r"dividend|split|distribution|capital gain|dividende|spin-?off", re.IGNORECASE)


def canonical(name: str) -> str:
    """A column's name without case, accents, brackets, numbering and signs of footnotes.

    >>> canonical("<OPEN>"), canonical("1. open"), canonical("Adj Close**"), canonical("Volume_(BTC)"), canonical("adjClose")
    ('open', 'open', 'adj close', 'volume (btc)', 'adj close')
    """
    name = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name.strip())
    name = re.sub(r"[<>*\"'$]|^\s*#(?!ric)", "", plain(name)).strip()
    name = re.sub(r"^\d+[a-z]?[.)]\s*", "", name)
    return re.sub(r"[_\s.]+", " ", name).strip(" :")


def joined(name: str) -> str:
    """The canonical name without blanks, for names such as "OpenPrice" and "open_price" alike."""
    return name.replace(" ", "")


JOINED = {role: {joined(name): position for name, position in names.items()} for role, names in reversed(RANK.items())}
ALL_TIMES = {joined(canonical(name)) for name in (*OPENED, *TIMES, *CLOSED)}


def rank(role: str, name: str) -> int | None:
    """How much a canonical name is preferred for a role, from 0; None when it names something else.

    >>> rank("close", "close"), rank("high", "hi"), rank("high", "low")
    (0, 7, None)
    """
    return JOINED[role].get(joined(name))


def is_known(name: str) -> bool:
    """Whether a canonical name is any that candles have."""
    return (
        joined(name) in ALL_TIMES
        or any(joined(name) in names for names in JOINED.values())
        or name.startswith("volume")
    )
