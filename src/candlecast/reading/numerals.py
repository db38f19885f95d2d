"""Numbers as people write them: marks of decimals and thousands, money, percent, thousands and millions by letter."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

ABSENT = (
    "", "-", "--", "---", "—", "–", "null", "NULL", "Null", "none", "None", "NONE", "nan", "NaN", "NAN", "Nan", "-nan",
    "na", "NA", "N/A", "n/a", "n.a.", "N.A.", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaT", "nil", "\\N", "#VALUE!", "#REF!",
)  # cells without a value  # fmt: skip
SPACES = " \u00a0\u2007\u2009\u202f"
MONEY = "$€£¥₹₽₩₺฿"
SCALES = {
    "k": 3, "tsd": 3, "thousand": 3, "m": 6, "mn": 6, "mln": 6, "mio": 6, "million": 6, "b": 9, "bn": 9,
    "mrd": 9, "mld": 9, "billion": 9, "t": 12, "trillion": 12, "万": 4, "萬": 4, "亿": 8, "億": 8, "만": 4, "억": 8,
}  # fmt: skip
NUMBER = re.compile(
    rf"^[(\s]*[-+−]?\s*[{MONEY}]?\s*[-+]?(\d[\d.,'’_{SPACES}]*|[.,]\d+)([eE][-+]?\d+)?\s*({'|'.join(SCALES)})?\s*[%{MONEY}]?\s*[)]?-?$",
    re.IGNORECASE,
)
GROUPS = re.compile(rf"\d{{1,3}}(?:([.,'’_{SPACES}])\d{{2,3}})*([.,'’_{SPACES}])\d{{3}}(?:([.,])\d*)?")
STRAY = 10  # cells that show one decimal mark, for each damaged one that shows the other
LOST_POINT = 1e12  # a price as large as that has lost its decimal point


@dataclass(frozen=True)
class NumberForm:
    """The decimal mark of a table, and the mark between its thousands; "" for none."""

    decimal: str = "."
    group: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether the numbers have a decimal point and no marks between thousands."""
        return self.decimal == "." and not self.group


@dataclass(frozen=True)
class Undecided:
    """A cell that has two readings, of which the table proves neither."""

    cell: str


def is_number(cell: str) -> bool:
    """Whether a cell may hold a number, or says that there is none.

    >>> [is_number(cell) for cell in ("1'218.18", "$1,361.65", "68.18K", "-", "9. Jan", "2024-01-31")]
    [True, True, True, True, False, False]
    """
    cell = cell.strip().removeprefix("'")
    return cell in ABSENT or NUMBER.match(cell) is not None


def is_absent(cell: str) -> bool:
    """Whether a cell says that there is nothing."""
    return cell.strip() in ABSENT


def form_of(
    cells: Iterable[str], *, prices: Iterable[str], decimal: str | None, is_doubtful: bool
) -> NumberForm | Undecided:
    """The form that all cells of a table can have together, or the first price that has two.

    `cells` are all that may be numbers, `prices` those that are. `decimal` is the decimal mark if it was given.
    `is_doubtful`: whether a lone point before three digits may stand between thousands (in a table with words of a
    language that writes so).

    >>> form_of(["16.615,90", "131123575"], prices=["16.615,90"], decimal=None, is_doubtful=False)
    NumberForm(decimal=',', group='.')
    >>> form_of(["147,295"], prices=["147,295"], decimal=None, is_doubtful=False)
    Undecided(cell='147,295')
    """
    prices = [_core(cell) for cell in prices]
    bare = [core for core in dict.fromkeys([*map(_core, cells), *prices]) if core]
    marks = {mark for core in bare for mark in core if not mark.isdigit()}
    group = next((mark for mark in ("'", "’", "_", *SPACES) if mark in marks), "")
    if not marks & {".", ","}:
        return NumberForm(decimal or ".", group)
    proved = decimal or _proved(bare)
    if proved is None and marks >= {".", ","}:
        proved = _by_size(prices)
    if proved is None:
        mark = "," if "," in marks else "."
        single = next((price for price in prices if mark in price), None)
        if single is None:  # the mark stands in other columns alone
            proved = "." if mark == "," else mark
        else:
            proved = _by_size(prices) or ("." if mark == "." and not is_doubtful else None)
            if proved is None:
                return Undecided(single)
    other = "," if proved == "." else "."
    return NumberForm(proved, other if other in marks else group)


def _core(cell: str) -> str:
    """The digits and marks of a number; empty for anything else."""
    cell = cell.strip().removeprefix("'").strip()
    if cell in ABSENT:
        return ""
    match = NUMBER.match(cell)
    if not match or match[2]:
        return ""
    return match[1].strip(SPACES)


def _proved(bare: list[str]) -> str | None:
    """The decimal mark that cells show each by itself; None when too few do, or when they contradict each other."""
    shown = [_shown(core) for core in bare]
    points, commas, open_cells = shown.count("."), shown.count(","), shown.count("?")
    most, least = max(points, commas), min(points, commas)
    if most == 0 or least * STRAY > most or (most == 1 and open_cells > STRAY):
        return None
    return "." if points > commas else ","


def _shown(core: str) -> str:
    """The decimal mark that one cell alone shows, "?" where its mark may be either, "" where it has none."""
    points, commas = core.count("."), core.count(",")
    if points and commas:
        return "." if core.rfind(".") > core.rfind(",") else ","
    for mark, other, count in ((".", ",", points), (",", ".", commas)):
        if count > 1 and GROUPS.fullmatch(core):
            return other
        if count == 1:
            before, after = core.split(mark)
            is_open = len(after) == 3 and 1 <= len(before) <= 3 and before.isdigit() and not before.startswith("0")
            return "?" if is_open else mark
    return ""


def _by_size(prices: list[str]) -> str | None:
    """The decimal mark under which prices are of one size, where those with and without a mark show it."""
    cores = [core for core in prices if core]
    for mark, other in ((",", "."), (".", ",")):
        with_mark = [float(core.replace(mark, "")) for core in cores if re.fullmatch(rf"\d+{re.escape(mark)}\d*", core)]
        without = [float(core) for core in cores if re.fullmatch(r"[0-9]+", core)]
        if with_mark and without:
            whole = max(with_mark) / max(min(without), 1e-9) < 30
            parted = max(without) / max(min(with_mark) / 1_000, 1e-9) < 30
            if whole != parted:
                return other if whole else mark
    return None


def as_numbers(frame: pl.DataFrame, form: NumberForm) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Float64 of all columns, null where a cell is absent, and masks of cells that are no number in this form."""
    usual = frame.select(_usual(name, dtype, form) for name, dtype in frame.schema.items())
    numbers, masks = [], []
    for name in frame.columns:
        series, cells = usual[name], frame[name]
        bad = pl.repeat(False, len(series), dtype=pl.Boolean, eager=True)
        if series.null_count() > cells.null_count():
            left = (series.is_null() & cells.is_not_null()).arg_true()
            text = cells.gather(left).cast(pl.String, strict=False).str.strip_chars().str.strip_prefix("'")
            is_absent_cell = text.is_null() | text.is_in(list(ABSENT))
            found = _written(text, form)
            series = series.scatter(left, found)
            bad = bad.scatter(left, (found.is_null() & ~is_absent_cell).to_list())
        numbers.append(series.fill_nan(None).alias(name))
        masks.append(bad.alias(name))
    return pl.DataFrame(numbers), pl.DataFrame(masks)


def _usual(name: str, dtype: pl.DataType, form: NumberForm) -> pl.Expr:
    """The numbers of a column whose cells have nothing but digits and the marks of the form; null for other cells."""
    column = pl.col(name)
    if dtype != pl.String:
        return column.cast(pl.Float64, strict=False)
    text = column.str.strip_chars()
    if form.is_plain:
        return pl.when(~text.str.contains("_", literal=True)).then(text).cast(pl.Float64, strict=False)
    group, decimal = re.escape(form.group), re.escape(form.decimal)
    whole = rf"(?:\d{{1,3}}(?:{group}\d{{3}})+|\d+)" if form.group else r"\d+"
    is_usual = text.str.contains(rf"^-?{whole}(?:{decimal}\d*)?$")
    bare = text.str.replace_all(form.group, "", literal=True) if form.group else text
    bare = bare.str.replace(",", ".", literal=True) if form.decimal == "," else bare
    return pl.when(is_usual).then(bare).cast(pl.Float64, strict=False)


def _written(text: pl.Series, form: NumberForm) -> pl.Series:
    """Numbers of cells with marks, signs, money or letters; null for cells that are none in this form."""
    bare = text.str.replace_all(rf"[{MONEY}]", "").str.strip_chars(SPACES).str.replace("−", "-", literal=True)
    if bare.str.contains(r"[()%]|-$").any():
        bare = bare.str.replace(r"^\(\s*(.*?)\s*\)$", "-$1").str.replace(r"^(.*\d)-$", "-$1").str.strip_suffix("%")
    if form.group:
        group, decimal = (re.escape(mark) for mark in (form.group, form.decimal))
        has_group = bare.str.contains(form.group, literal=True)
        is_grouped = bare.str.contains(
            rf"^[-+]?\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}}(?:{decimal}\d*)?\s?(?:[^\d.,]+)?$"
        )
        bare = bare.zip_with(~has_group | is_grouped, _nulls(len(bare), pl.String()))
        bare = bare.str.replace_all(form.group, "", literal=True)
    if form.decimal == ",":
        bare = bare.zip_with(
            ~bare.str.contains(".", literal=True).fill_null(False) | bare.str.contains(r"[eE]").fill_null(False),
            _nulls(len(bare), pl.String()),
        ).str.replace(",", ".", literal=True)
    numbers = bare.cast(pl.Float64, strict=False)
    left = numbers.is_null() & bare.is_not_null()
    if left.any():  # 68.18K as 68.18e3, which is rounded once
        lowered = bare.str.to_lowercase()
        tails = lowered.filter(left).str.extract(r"([^\d.\s]+)$").unique().to_list()
        for letters in SCALES.keys() & tails:
            scaled = rf"${{1}}e{SCALES[letters]}"
            lowered = lowered.str.replace(rf"^([-+]?\d*\.?\d+)\s?{letters}$", scaled)
        numbers = numbers.zip_with(~left, lowered.cast(pl.Float64, strict=False))
    return numbers


def _nulls(length: int, dtype: pl.DataType) -> pl.Series:
    return pl.repeat(None, length, dtype=dtype, eager=True)
