"""Which column holds what: by name, by position in a known order, or by content where there are no names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from candlecast.errors import CandleError, ConfigError, listed, near_misses
from candlecast.reading.layouts import by_content
from candlecast.reading.numerals import is_absent, is_number
from candlecast.reading.options import Options
from candlecast.reading.table import Table
from candlecast.reading.timing import TimeColumn, find_time
from candlecast.reading.vocabulary import ADJUSTED, ALL_TIMES, PRICES, canonical, joined, rank

QUOTED = {"usd", "usdt", "usdc", "busd", "eur", "gbp", "jpy", "krw", "try", "rub", "currency", "quote", "cny", "inr"}
PREVIOUS = re.compile(r"(prev|previous|pre) ?close( price)?")
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Columns:
    """Places of what candles need. `symbol`: of a column of symbols. `named`: the symbol that a header names.

    `ticks`: a column of the number of ticks, for a volume that is zero throughout. `adjusted`: columns of adjusted
    prices, and volume, beside the plain ones.
    """

    time: TimeColumn
    prices: Mapping[str, int]
    volume: int | None
    symbol: int | None = None
    named: str | None = None
    ticks: int | None = None
    adjusted: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def numeric(self) -> list[int]:
        """Places of all columns of numbers that are needed."""
        positions = [*self.prices.values(), *self.adjusted.values()]
        return list(
            dict.fromkeys(position for position in (*positions, self.volume, self.ticks) if position is not None)
        )


def find_columns(table: Table, options: Options, *, what: str) -> Columns:
    """What the columns of a table hold; `what` is the table in messages.

    Raises CandleError when prices or times are missing or there are several symbols, ConfigError for columns that were
    named and are not there.
    """
    given = {role: _given(table, role, name, what) for role, name in options.columns.items()}
    if not table.has_header and not {*PRICES, "time"} <= given.keys():
        return _nameless(table, options, what=what)
    side_by_side = _groups(table)
    named = None
    if len(side_by_side) > 1 and options.symbol is None:
        raise several(list(side_by_side), what=what)
    if side_by_side:
        named = _chosen(list(side_by_side), options.symbol, what=what)
        if not set(PRICES) <= side_by_side[named].keys():
            missing = [role for role in PRICES if role not in side_by_side[named]]
            raise _missing(table, missing, what=f"{what}, symbol {named},")
        names = {position: field for field, position in side_by_side[named].items()}
        for position in range(table.width):
            cells = [canonical(cell) for cell in table.labels[position] if cell]
            if position not in names and not _in_group(position, side_by_side):
                names[position] = cells[-1] if cells else ""
    else:
        names = {position: canonical(_label(table, position)) for position in range(table.width)}
    prices = {role: _best(role, names, table, given) for role in PRICES}
    missing = [role for role, position in prices.items() if position is None]
    found = {role: position for role, position in prices.items() if position is not None}
    used = set(found.values())
    free = {position: name for position, name in names.items() if position not in used}
    time = find_time(table, free, given.get("time"), what=what)
    if missing or time is None:
        raise _missing(table, [*(["time"] if time is None else []), *missing], what=what)
    free = {position: name for position, name in free.items() if position not in time.positions}
    symbol = given["symbol"][0] if "symbol" in given else _symbol_column(table, free)
    volume, notes = _volume(free, given, table)
    ticks = _first("ticks", free)
    if volume is None:
        volume, ticks = ticks, None
        notes += ["volume is the number of ticks"] * (volume is not None)
    adjusted = _adjusted(names, what=what) if options.adjusted else {}
    return Columns(time, found, volume, symbol, named, ticks, adjusted, tuple(notes))


def several(symbols: list[str], *, what: str) -> CandleError:
    """The error for a table that holds several symbols, of which none was chosen."""
    shown = ", ".join(symbols[:20]) + (", ..." if len(symbols) > 20 else "")
    return CandleError(
        f"{what} holds {len(symbols)} symbols ({shown})",
        expected="one symbol",
        remedy=f'Say which, for example symbol="{symbols[0]}"',
    )


def _chosen(symbols: list[str], wanted: str | None, *, what: str) -> str:
    """The symbol wanted, as the table writes it; the only one where it has but one."""
    if wanted is None or len(symbols) == 1:
        return symbols[0]
    return same_symbol(symbols, wanted, what=what)


def same_symbol(symbols: list[str], wanted: str, *, what: str) -> str:
    """The one of several symbols that is wanted, in whatever case. Raises ConfigError when there is none."""
    for symbol in symbols:
        if symbol == wanted:
            return symbol
    alike = [symbol for symbol in symbols if joined(symbol.casefold()) == joined(wanted.casefold())]
    if len(alike) == 1:
        return alike[0]
    raise ConfigError(
        f"{what} has no symbol {wanted!r}",
        expected=f"one of {', '.join(symbols[:20])}{', ...' * (len(symbols) > 20)}",
        remedy=near_misses(wanted, symbols),
    )


def is_akin(symbol: str, other: str) -> bool:
    """Whether two names may be of one symbol: alike but for signs and case, or one within the other.

    >>> is_akin("BTC/USDT", "btcusdt"), is_akin("SPY US Equity", "SPY"), is_akin("AAPL", "MSFT")
    (True, True, False)
    """
    one, two = (re.sub(r"[\W_]", "", name).casefold() for name in (symbol, other))
    return one in two or two in one


def _given(table: Table, role: str, name: str, what: str) -> list[int]:
    """Places of the column that was named for a role; of time there may be two, "Date+Time"."""
    positions = []
    whole = _find_name(table, name)
    for part in [name] if whole is not None or role != "time" else name.split("+"):
        position = whole if whole is not None else _find_name(table, part.strip())
        if position is None:
            names = [table.display_name(number) for number in range(table.width)]
            raise ConfigError(
                f"{what} has no column {part.strip()!r} for {role}",
                expected=f"one of {', '.join(names)}",
                remedy=near_misses(part.strip(), names, are_listed=True)
                if table.has_header
                else "Give the number of the column, from 1",
            )
        positions.append(position)
    return positions


def _find_name(table: Table, name: str) -> int | None:
    names = [table.display_name(position) for position in range(table.width)]
    for form in (str, canonical):
        alike = [position for position, each in enumerate(names) if form(each) == form(name)]
        if alike:
            return alike[0]
    if name.isdecimal() and len(name) <= 9 and 1 <= int(name) <= table.width:
        return int(name) - 1
    return None


def _label(table: Table, position: int) -> str:
    """The name of a column: of several header lines the one that candles know."""
    cells = [cell for cell in table.labels[position] if cell]
    known = [cell for cell in cells if any(rank(role, canonical(cell)) is not None for role in FIELDS)]
    return (known or cells or [""])[0] if len(cells) < 2 or known else " ".join(cells)


def _best(role: str, names: Mapping[int, str], table: Table, given: Mapping[str, list[int]]) -> int | None:
    """The column of a price that is preferred, of those that hold numbers."""
    if role in given:
        return given[role][0]
    taken = {positions[0] for other, positions in given.items() if other != role}
    ranked = sorted(
        (rank(role, name), position)
        for position, name in names.items()
        if rank(role, name) is not None and position not in taken
    )  # type: ignore[type-var]
    if any(
        PREVIOUS.fullmatch(name) for name in names.values()
    ):  # then there was a close, and the last price is another
        ranked = [
            (number, position)
            for number, position in ranked
            if not names[position].startswith(("last", "price", "settle"))
        ]
    for _, position in ranked:
        cells = [cell for cell in table.column(position) if not is_absent(cell)]
        if not cells or sum(map(is_number, cells)) >= len(cells) / 2 or position in table.types:
            return position
    return ranked[0][1] if ranked else None


def _first(role: str, names: Mapping[int, str]) -> int | None:
    ranked = [(rank(role, name), position) for position, name in names.items() if rank(role, name) is not None]
    return min(ranked)[1] if ranked else None  # type: ignore[type-var]


def _volume(names: Mapping[int, str], given: Mapping[str, list[int]], table: Table) -> tuple[int | None, list[str]]:
    """The column of the volume in units of what is traded, and a note where several could be."""
    if "volume" in given:
        return given["volume"][0], []
    position = _first("volume", names)
    if position is not None:
        return position, []
    in_units = {
        position: re.sub(r"^(?:volume|vol)\W*|\W*(?:volume|vol)$|\W+$", "", name)
        for position, name in names.items()
        if re.match(r"(volume|vol)\b|.+ volume$", name)
    }
    in_units = {
        position: unit
        for position, unit in in_units.items()
        if not re.search(r"tick|taker|quote|buy|sell|bid|ask|ma\b|adj|avg|average|24h|weighted", names[position])
    }
    if not in_units:
        return None, []
    base = [position for position, unit in in_units.items() if unit not in QUOTED]
    if not base:
        return None, ["volume in money alone"]
    return base[0], [f"volume in column {table.display_name(base[0])!r}"]


def _symbol_column(table: Table, names: Mapping[int, str]) -> int | None:
    """A column of symbols: text that is no number, or codes in a column that is certainly one of codes."""
    ranked = sorted(
        (rank("symbol", name), position) for position, name in names.items() if rank("symbol", name) is not None
    )  # type: ignore[type-var]
    for _, position in ranked:
        cells = [cell for cell in table.column(position) if not is_absent(cell)]
        if not cells:
            continue
        if names[position] in ("name", "market", "asset", "stock", "product", "contract", "coin") and all(
            cell.replace(".", "").isdigit() for cell in cells
        ):
            continue  # a number of something else
        return position
    return None


def _groups(table: Table) -> dict[str, dict[str, int]]:
    """Columns of several symbols side by side, by symbol: of two header lines, or of names such as "BTC:open"."""
    found: dict[str, dict[str, int]] = {}
    plain = {canonical(cells[0]) for cells in table.labels if len(cells) == 1}
    if all(any(rank(role, name) is not None for name in plain) for role in PRICES):
        return {}
    for position in range(table.width):
        for symbol, role in _parts(table, position):
            found.setdefault(symbol, {}).setdefault(role, position)
    if any(len(set(PRICES) & roles.keys()) >= 3 for roles in found.values()):
        return {symbol: roles for symbol, roles in found.items() if set(PRICES) & roles.keys()}
    return {}


def _parts(table: Table, position: int) -> list[tuple[str, str]]:
    """The symbol and the field that a column's header may name."""
    cells = [cell for cell in table.labels[position] if cell]
    if len(cells) >= 2:
        if any(joined(canonical(cell)) in ALL_TIMES for cell in cells):
            return []
        roles = [(number, _field(cell)) for number, cell in enumerate(cells)]
        known = [(number, role) for number, role in roles if role]
        others = [cell for number, cell in enumerate(cells) if not known or number != known[0][0]]
        return [(others[0], known[0][1])] if len(known) == 1 and others and known[0][1] else []
    if not cells:
        return []
    out = []
    for pattern, order in (
        (r"\(?'?(.+?)(?:'?, ?'?|[:|/_. -])([^:|/_. ,'-]+)'?\)?", (1, 2)),
        (r"\(?'?([^:|/_. ,'-]+)(?:'?, ?'?|[:|/_. -])(.+?)'?\)?", (2, 1)),
    ):
        match = re.fullmatch(pattern, cells[0])
        if match:
            symbol, role = match[order[0]], _field(match[order[1]])
            if role and not _field(symbol) and canonical(symbol) not in NO_SYMBOLS:
                out.append((symbol, role))
    return out


NO_SYMBOLS = {
    "adj", "adjusted", "prev", "previous", "pre", "day", "session", "bid", "ask", "mid", "raw", "unadjusted",
    "daily", "price", "prices", "quote", "base", "taker", "total", "tick", "real", "avg", "average", "weighted",
    "52w", "time", "date", "px", "change", "trade", "open", "fractal", "heikin", "ha",
}  # fmt: skip


def _field(cell: str) -> str | None:
    name = canonical(cell)
    return next((role for role in FIELDS if len(name) > 1 and rank(role, name) is not None), None)


def _in_group(position: int, groups: Mapping[str, Mapping[str, int]]) -> bool:
    return any(position in roles.values() for roles in groups.values())


def _adjusted(names: Mapping[int, str], *, what: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for position, name in names.items():
        match = ADJUSTED.match(name)
        if match:
            found.setdefault(match[1] or match[2], position)
    if "close" not in found:
        raise CandleError(
            f"{what} has no adjusted prices (no column such as Adj Close)",
            expected="adjusted prices beside the plain ones, for adjusted=True",
            remedy="Leave out adjusted=True",
        )
    return found if set(PRICES) <= found.keys() else {"close": found["close"]}


def _nameless(table: Table, options: Options, *, what: str) -> Columns:
    layout = by_content(table, what=what)
    notes = (f"no header: {', '.join(layout.words)} by content",)
    return Columns(layout.time, layout.prices, layout.volume, layout.symbol, notes=notes)


def _missing(table: Table, roles: list[str], *, what: str) -> CandleError:
    names = [table.display_name(position) for position in range(table.width)] if table.has_header else []
    example = f'columns={{"{roles[0]}": "NAME"}}'
    prices = set(roles) & set(PRICES)
    start = "Use a table with open, high, low and close" if len(prices) >= 3 else "Rename the columns"
    remedy = f"{start}, or say which columns they are, for example {example}"
    return CandleError(
        f"{what} has no column for {', '.join(roles)} (its columns are {listed(names)})",
        expected="open_time, open, high, low, close, volume or their usual other names",
        remedy=remedy,
    )
