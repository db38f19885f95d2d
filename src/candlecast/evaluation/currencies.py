"""The assets and currencies that symbols name: an account cannot add up prices in several currencies."""

from __future__ import annotations

from collections.abc import Sequence

EURO = "AS AT BE BR DE DU F HA HE HM IR LS MC MI MU PA RG SG TL VI VS"  # exchanges that quote in euros
EXCHANGES = dict.fromkeys(
    EURO.split(), "EUR"
) | {  # suffixes of symbols by the currency of the exchange, as of Yahoo Finance
    "AX": "AUD",
    "BA": "ARS",
    "BD": "HUF",
    "BK": "THB",
    "BO": "INR",
    "CA": "EGP",
    "CN": "CAD",
    "CO": "DKK",
    "HK": "HKD",
    "IC": "ISK",
    "IS": "TRY",
    "JK": "IDR",
    "JO": "ZAR",
    "KL": "MYR",
    "KQ": "KRW",
    "KS": "KRW",
    "L": "GBP",
    "MX": "MXN",
    "NE": "CAD",
    "NS": "INR",
    "NZ": "NZD",
    "OL": "NOK",
    "PR": "CZK",
    "QA": "QAR",
    "SA": "BRL",
    "SI": "SGD",
    "SN": "CLP",
    "SR": "SAR",
    "SS": "CNY",
    "ST": "SEK",
    "SW": "CHF",
    "SZ": "CNY",
    "T": "JPY",
    "TA": "ILS",
    "TO": "CAD",
    "TW": "TWD",
    "TWO": "TWD",
    "WA": "PLN",
}
DOLLARS = ("USDT", "USDC", "BUSD", "FDUSD", "TUSD", "USD")  # stable coins count as dollars
QUOTES = (*DOLLARS, "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "TRY", "BRL", "KRW", "BTC", "ETH", "BNB")
SHORTEST_PAIR = 6  # letters of a pair that is written without a separator
SHOWN = 2  # assets of each currency that are named


def currency_of(symbol: str) -> str:
    """The currency of a symbol's price, by the suffix of its exchange or the second part of a pair; empty where none is named.

    >>> [currency_of(each) for each in ("SAP.DE", "ETHBTC", "BTC/USDT", "EURUSD=X", "AAPL", "BRK.B")]
    ['EUR', 'BTC', 'USD', 'USD', '', '']
    """
    name = symbol.upper().removesuffix("=X").partition(":")[0]
    _, dot, suffix = name.rpartition(".")
    if dot:
        return EXCHANGES.get(suffix, "")
    _, found = _pair(name)
    return "USD" if found in DOLLARS else found


def asset_of(symbol: str) -> str:
    """The asset of a pair whose second part is a currency, such as a coin; any other symbol as it is.

    Pairs of two currencies stay: two of them may have the first one in common.

    >>> [asset_of(each) for each in ("SOLBTC", "SOL/USDT", "EURUSD=X", "AAPL", "BRK.B")]
    ['SOL', 'SOL', 'EURUSD=X', 'AAPL', 'BRK.B']
    """
    name = symbol.upper().partition(":")[0]
    base, _ = ("", "") if "." in name else _pair(name)
    return base if base and base not in QUOTES else symbol


def _pair(name: str) -> tuple[str, str]:
    """Both parts of a pair; empty for what is none."""
    base, separator, quote = next((name.rpartition(each) for each in "/-_" if each in name), ("", "", name))
    if separator:
        return (base, quote) if base and quote in QUOTES else ("", "")
    found = next((each for each in QUOTES if name.endswith(each)), "") if len(name) >= SHORTEST_PAIR else ""
    return name.removesuffix(found) if found else "", found


def several_currencies(symbols: Sequence[str]) -> str:
    """The currencies of assets in words, where they are in more than one; empty otherwise.

    A symbol without suffix is one of the United States where others have the suffix of an exchange, as at Yahoo Finance.

    >>> several_currencies(["SAP.DE", "MC.PA"]), several_currencies(["SAP.DE", "AAPL"])
    ('', 'EUR (SAP.DE) and USD (AAPL)')
    """
    has_exchanges = any("." in each and currency_of(each) for each in symbols)
    found: dict[str, list[str]] = {}
    for each in symbols:
        currency = currency_of(each) or ("USD" if has_exchanges else "")
        if currency:
            found.setdefault(currency, []).append(each)
    if len(found) < 2:
        return ""
    parts = [f"{name} ({', '.join(own[:SHOWN])}{', ...' if len(own) > SHOWN else ''})" for name, own in found.items()]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
