"""Dates and times of day in text, one cell at a time, with every reading that a date can have."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

FIRST_YEAR = 1900
THAI = 543  # years to subtract from those of the Thai calendar
TAIWAN = 1911  # years to add to those of the calendar of Taiwan
EPOCH = date(1970, 1, 1).toordinal()
MINUTE, DAY = 60_000_000, 86_400_000_000  # microseconds

MONTH_WORDS = """
    jan january januar janvier janv enero ene gennaio gen janeiro januari ocak oca stycznia styczen sty января
      январь янв tammi ;
    feb february februar fevrier fevr fev febrero febbraio fevereiro februari subat sub lutego luty lut февраля
      февраль фев февр ;
    mar march marz mrz mars marzo marco maart mrt mart marca marzec марта март мар ;
    apr april avril avr abril abr aprile nisan nis kwietnia kwiecien kwi апреля апрель апр ;
    may mai mayo maggio mag maio mei mayis maja maj мая май ;
    jun june juni juin junio giugno giu junho haziran haz czerwca czerwiec cze июня июнь июн ;
    jul july juli juillet juil julio luglio lug julho temmuz tem lipca lipiec lip июля июль июл ;
    aug august aout agosto ago augustus agustos agu sierpnia sierpien sie августа август авг ;
    sep sept september septembre septiembre settembre set setembro eylul eyl wrzesnia wrzesien wrz сентября
      сентябрь сен сент ;
    oct october oktober okt octobre octubre ottobre ott outubro out ekim eki pazdziernika pazdziernik paz октября
      октябрь окт ;
    nov november novembre noviembre novembro kasim kas listopada listopad lis ноября ноябрь ноя нояб ;
    dec december dezember dez decembre diciembre dic dicembre dezembro aralik ara grudnia grudzien gru декабря
      декабрь дек ;
"""  # separated by semicolons, from January
MONTHS = {word: number for number, words in enumerate(MONTH_WORDS.split(";"), 1) for word in words.split()}
DROPPED_WORDS = """
    mon monday tue tues tuesday wed wednesday thu thur thurs thursday fri friday sat saturday sun sunday
    montag dienstag mittwoch donnerstag freitag samstag sonntag lun lundi mardi mer mercredi jeu jeudi ven
    vendredi st nd rd th de of del
"""  # days of the week, and words of dates
DROPPED = set(DROPPED_WORDS.split())
ZONES = {
    "z": 0, "utc": 0, "gmt": 0, "est": -300, "edt": -240, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420,
    "cet": 60, "cest": 120, "eet": 120, "eest": 180, "msk": 180, "jst": 540, "kst": 540, "hkt": 480,
}  # minutes east of Greenwich; ambiguous abbreviations (CST, IST, BST) are left out  # fmt: skip

BETWEEN = {ord(mark): " " for mark in "年月日民國国년월일"}  # characters after a year, a month, a day

CLOCK = r"\d{1,2}\s?[:hH時时시点]\s?\d{2}.*|\d{1,2}\s?-?\s?[AaPp]\.?[Mm]\.?.*"
MAX_DIGITS = 8  # of one number of a date
SPLIT = rf"^(.*?\d.*?)(?:\s*[T,]\s*|\s+)({CLOCK})$"  # a date and its time of day; for Python and Rust alike
STAMP = r"^(\d{8})[ T_-]?(\d{4}|\d{6})$"
ONE_CLOCK = re.compile(
    r"(\d{1,2})\s?[:hH時时시点]\s?(\d{2})\s?(?:[:分분mM]\s?(?:(\d{2})(?:[.,:](\d{1,9}))?\s?[秒초sS]?)?)?\s*"
    r"([AaPp]\.?[Mm]\.?)?\s*(.*)"
)
HOUR_ALONE = re.compile(r"(\d{1,2})\s?-?\s?([AaPp])\.?[Mm]\.?\s*(.*)")
OFFSET = re.compile(r"(?:UTC|GMT)?\s?([+-])(\d{1,2}):?(\d{2})?(?::00)?", re.IGNORECASE)
ZONE_NAME = re.compile(r"[A-Z][A-Za-z]+(/[A-Za-z][A-Za-z0-9_+-]*){1,2}")


class Days(NamedTuple):
    """Days since 1970 that a text means in each order of year, month and day; None where it means none."""

    ymd: int | None
    dmy: int | None
    mdy: int | None


class Clock(NamedTuple):
    """Microseconds since midnight, and minutes east of Greenwich or the name of a zone where the text has one."""

    micros: int
    zone: int | str | None


def last_year() -> int:
    """The last year that a candle may be of: the next one."""
    return datetime.now(UTC).year + 1


@lru_cache(maxsize=65_536)
def read_days(text: str) -> Days | None:
    """What a date can mean; None when it is no date of the years 1900 to next year.

    >>> [date.fromordinal(day + EPOCH).isoformat() if day else None for day in read_days("03/04/2024")]
    [None, '2024-04-03', '2024-03-04']
    >>> read_days("2024-03-04") == read_days("4. März 2024") == read_days("Mar 04, 2024") == read_days("2024年3月4日")
    True
    """
    parts = re.findall(r"\d+|[^\W\d_]+", _plain(text))
    numbers = [part for part in parts if part.isdigit()]
    words = [part for part in parts if not part.isdigit() and part not in DROPPED]
    months = [MONTHS[word] for word in words if word in MONTHS]
    if len(months) != len(words) or len(months) > 1 or not 1 <= len(numbers) <= 3 or text.lstrip()[:1] == "-":
        return None
    if max(map(len, numbers)) > MAX_DIGITS:
        return None
    found = _with_month(months[0], numbers) if months else _numeric(numbers)
    return None if found is None or all(day is None for day in found) else found


def is_month(text: str) -> bool:
    """Whether a date names a month without a day: "Mar 2024", "2024-03".

    >>> is_month("Déc 2023"), is_month("2024-03-01")
    (True, False)
    """
    numbers = re.findall(r"\d+", text)
    has_word = any(word in MONTHS for word in re.findall(r"[^\W\d_]+", _plain(text)))
    return len(numbers) == (1 if has_word else 2) and any(len(number) == 4 for number in numbers)


@lru_cache(maxsize=131_072)
def read_clock(text: str, digits: int = 0) -> Clock | None:
    """What a time of day means; `digits` is 4 (HHMM) or 6 (HHMMSS) where a column holds bare numbers.

    >>> read_clock("09:30:00 PM").micros // MINUTE, read_clock("12-AM").micros, read_clock("9:00:00.000 GMT+0100").zone
    (1290, 0, 60)
    """
    text = re.sub(r"\(.*?\)$", "", text.strip()).strip()
    if digits:
        match = re.fullmatch(r"(\d{1,6})(\.0+)?", text)
        if not match or len(match[1]) > digits:
            return None
        whole = match[1].zfill(digits)
        return _clock(int(whole[:2]), int(whole[2:4]), int(whole[4:] or 0), "", None, "")
    match = ONE_CLOCK.fullmatch(text)
    if match:
        hour, minute, second, fraction, half, zone = match.groups()
        return _clock(int(hour), int(minute), int(second or 0), fraction or "", half, zone)
    match = HOUR_ALONE.fullmatch(text)
    return _clock(int(match[1]), 0, 0, "", match[2], match[3]) if match else None


def split(text: str) -> tuple[str, str]:
    """A date and its time of day, which may be empty.

    >>> split("2024-03-01T09:30:00Z"), split("Mar 11, 2024"), split("202403010930")
    (('2024-03-01', '09:30:00Z'), ('Mar 11, 2024', ''), ('20240301', '0930'))
    """
    match = re.match(STAMP, text)
    if match:
        return match[1], match[2]
    match = re.match(SPLIT, text)
    if match:
        return match[1], match[2]
    date_alone = re.match(r"^(.*\d)\s*[TZ]?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)$", text)  # 2024-03-01 UTC
    if date_alone and read_days(date_alone[1]):
        return date_alone[1], f"00:00 {date_alone[2]}"
    return text, ""


def is_moment(text: str) -> bool:
    """Whether a text is a date, with a time of day or without.

    >>> is_moment("2024-03-01"), is_moment("20240301093000"), is_moment("09:30")
    (True, True, False)
    """
    date, clock = split(text)
    return read_days(date) is not None and (not clock or read_clock(clock, len(clock) * clock.isdigit()) is not None)


def plain(text: str) -> str:
    """A text without case, accents of Latin letters, and differences of width."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ı", "i")
    apart = unicodedata.normalize("NFD", folded)
    return unicodedata.normalize("NFC", "".join(letter for letter in apart if not "\u0300" <= letter <= "\u036f"))


def _plain(text: str) -> str:
    return plain(text).translate(BETWEEN)


def _with_month(month: int, numbers: list[str]) -> Days | None:
    if len(numbers) == 1:
        day = _day(_year(numbers[0]), month, 1) if len(numbers[0]) == 4 else None
        return Days(day, day, day)
    if len(numbers) != 2:
        return None
    first, second = numbers
    if len(first) == 4:
        day = _day(_year(first), month, int(second))
        return Days(day, day, day)
    later = _day(_year(second), month, int(first))
    if len(second) == 4:
        return Days(later, later, later)
    return Days(_day(_year(first), month, int(second)), later, later)


def _numeric(numbers: list[str]) -> Days | None:
    if len(numbers) == 1:
        return _run_together(numbers[0])
    if len(numbers) == 2:  # a year and a month
        position = 0 if len(numbers[0]) == 4 else 1
        if len(numbers[position]) != 4:
            return None
        day = _day(_year(numbers[position]), int(numbers[1 - position]), 1)
        return Days(day, day, day)
    first, second, third = numbers
    if len(second) > 2 or max(len(first), len(third)) > 4 or len(third) == 3:
        return None
    if len(first) >= 3:
        day = _day(_year(first), int(second), int(third))
        return Days(day, day, day)
    is_ymd = len(third) <= 2
    year = _year(third)
    return Days(
        _day(_year(first), int(second), int(third)) if is_ymd and len(first) == 2 else None,
        _day(year, int(second), int(first)),
        _day(year, int(first), int(second)),
    )


def _run_together(number: str) -> Days | None:
    if len(number) == 8:
        day = _day(_year(number[:4]), int(number[4:6]), int(number[6:]))
        if day is not None:
            return Days(day, day, day)
        year = _year(number[4:])
    elif len(number) == 7 and number[0] == "1":  # of Taiwan
        day = _day(_year(number[:3]), int(number[3:5]), int(number[5:]))
        return Days(day, day, day)
    elif len(number) == 6:
        year = _year(number[4:])
    else:
        return None
    first, second = int(number[:2]), int(number[2:4])
    ymd = _day(_year(number[:2]), second, int(number[4:])) if len(number) == 6 else None
    return Days(ymd, _day(year, second, first), _day(year, first, second))


def _year(digits: str) -> int:
    """The year that its digits mean; of two digits, the last such year that a candle may be of."""
    year, latest = int(digits), last_year()
    if len(digits) <= 2:
        return year + 2000 if year + 2000 <= latest else year + 1900
    if len(digits) == 3:
        return year + TAIWAN
    return year - THAI if FIRST_YEAR + THAI <= year <= latest + THAI and year > latest else year


def _day(year: int, month: int, day: int) -> int | None:
    if not FIRST_YEAR <= year <= last_year():
        return None
    try:
        return date(year, month, day).toordinal() - EPOCH
    except ValueError:
        return None


def _clock(hour: int, minute: int, second: int, fraction: str, half: str | None, zone: str) -> Clock | None:
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[0] in "Pp" else 0)
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and minute + second > 0):
        return None
    known, found = _zone(zone.strip())
    if not known:
        return None
    micros = (hour * 3_600 + minute * 60 + second) * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0)
    return Clock(micros, found)


def _zone(text: str) -> tuple[bool, int | str | None]:
    """Whether a text names a zone or is empty, and the zone."""
    if not text:
        return True, None
    if text.casefold() in ZONES:
        return True, ZONES[text.casefold()]
    match = OFFSET.fullmatch(text)
    if match and int(match[2]) <= 14 and int(match[3] or 0) < 60:
        minutes = int(match[2]) * 60 + int(match[3] or 0)
        return True, minutes if match[1] == "+" else -minutes
    return (True, text) if ZONE_NAME.fullmatch(text) else (False, None)
