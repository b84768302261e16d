"""Go's times and durations, as expressions make, compare and format them (packages time and expr/builtin)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

_NANO: Final = 1_000_000_000
MOST: Final = 2**63 - 1
"""The nanoseconds that a duration has at most."""
_UNITS: Final = {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LAYOUT: Final = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|-07:00|-0700|-07|Z07:00|Z0700|Z07|002|01|02|03|04|05|06|15|[.,]0+|[.,]9+"
    r"|PM|pm|_2|1|2|3|4|5"
)
_STANDARD: Final = (
    "2006-01-02", "15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04:05Z07:00", "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST", "Mon, 02 Jan 2006 15:04:05 MST",
)  # fmt: skip
_READ: Final = {
    "2006": r"(?P<Y>\d{4})", "01": r"(?P<m>\d{2})", "1": r"(?P<m>\d{1,2})", "02": r"(?P<d>\d{2})",
    "2": r"(?P<d>\d{1,2})", "_2": r"(?P<d>[ \d]\d)", "15": r"(?P<H>\d{2})", "03": r"(?P<H>\d{2})",
    "04": r"(?P<M>\d{2})", "05": r"(?P<S>\d{2}(?:\.\d+)?)", "06": r"(?P<y>\d{2})",
    "Jan": r"(?P<b>[A-Z][a-z]{2})",
    "January": r"(?P<b>[A-Z][a-z]+)", "Mon": r"[A-Z][a-z]{2}", "Monday": r"[A-Z][a-z]+", "MST": r"[A-Z]{3,4}",
    "Z07:00": r"(?P<z>Z|[+-]\d\d:\d\d)", "-07:00": r"(?P<z>[+-]\d\d:\d\d)", "-0700": r"(?P<z>[+-]\d{4})",
}  # fmt: skip
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, order=True, slots=True)
class Duration:
    """Nanoseconds."""

    nanoseconds: int

    def __str__(self) -> str:
        """Return Go's text, `1h30m0s`."""
        left = abs(self.nanoseconds)
        if left == 0:
            return "0s"
        sign = "-" if self.nanoseconds < 0 else ""
        for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
            if left < min(size * 1000, _NANO):
                return f"{sign}{_plain(left / size)}{unit}"
        minutes, rest = divmod(left, 60 * _NANO)
        hours, minutes = divmod(minutes, 60)
        head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
        return f"{sign}{head}{_plain(rest / _NANO)}s"


@dataclass(frozen=True, order=True, slots=True)
class Time:
    """A moment, with its zone."""

    moment: datetime

    def __str__(self) -> str:
        """Return Go's text."""
        return _formatted(self.moment, "2006-01-02 15:04:05 -0700") + f" {_zone(self.moment)}"

    def json(self) -> str:
        """Return what JSON has of it: RFC 3339."""
        fraction = f".{self.moment.microsecond:06d}".rstrip("0") if self.moment.microsecond else ""
        return _formatted(self.moment, f"2006-01-02T15:04:05{fraction}Z07:00")


def _plain(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _zone(moment: datetime) -> str:
    return moment.strftime("%Z") if moment.utcoffset() else "UTC"


def duration(text: str) -> Duration:
    """Return the duration of a text. Raises ValueError."""
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return Duration(0)
    if body == "" or _PART.sub("", body):
        is_bare = body and re.fullmatch(rf"(?:{_PART.pattern})*(?:\d+\.?\d*|\.\d+)", body)
        raise ValueError(f'time: {"missing unit in" if is_bare else "invalid"} duration "{text}"')
    parts = [float(number) * _UNITS[unit] for number, unit in _PART.findall(body)]
    if sum(parts) > MOST:
        raise ValueError(f'time: invalid duration "{text}"')
    return Duration(sign * sum(map(round, parts)))


def date(text: str, layout: str = "", zone: str = "") -> Time:
    """Return the moment of a text, in one of expr's layouts or in the given one. Raises ValueError."""
    if zone:
        raise ValueError("a zone is not supported here")
    for each in [layout] if layout else _STANDARD:
        if found := re.fullmatch(_pattern(each), text):
            return Time(_moment(found.groupdict()))
    if layout:
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "{layout}"')
    raise ValueError(f"invalid date {text}")


def _pattern(layout: str) -> str:
    out, place = [], 0
    for found in _LAYOUT.finditer(layout):
        out += [re.escape(layout[place : found.start()]), _READ.get(found[0], re.escape(found[0]))]
        place = found.end()
    return "".join([*out, re.escape(layout[place:])])


def _moment(parts: dict[str, str | None]) -> datetime:
    def number(name: str, default: int) -> int:
        return int(parts.get(name) or default)

    year = number("Y", 1) if not parts.get("y") else 2000 + number("y", 0)
    month = _MONTHS.index(str(parts["b"])[:3]) + 1 if parts.get("b") else number("m", 1)
    seconds = float(parts.get("S") or 0)
    zone = parts.get("z") or "Z"
    offset = timedelta(0)
    if zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:])) * (-1 if zone[0] == "-" else 1)
    start = datetime(
        year,
        month,
        number("d", 1),
        number("H", 0),
        number("M", 0),
        tzinfo=timezone(offset) if offset else UTC,
    )
    return start + timedelta(seconds=seconds)


def _formatted(moment: datetime, layout: str) -> str:
    offset = moment.strftime("%z")
    colon = f"{offset[:3]}:{offset[3:]}"
    is_utc = not moment.utcoffset()
    shown = {
        "January": moment.strftime("%B"), "Jan": moment.strftime("%b"), "Monday": moment.strftime("%A"),
        "Mon": moment.strftime("%a"), "MST": _zone(moment), "2006": f"{moment.year:04d}", "-07:00": colon,
        "-0700": offset, "-07": offset[:3], "Z07:00": "Z" if is_utc else colon,
        "Z0700": "Z" if is_utc else offset,
        "Z07": "Z" if is_utc else offset[:3], "002": moment.strftime("%j"), "01": f"{moment.month:02d}",
        "02": f"{moment.day:02d}", "03": moment.strftime("%I"), "04": f"{moment.minute:02d}",
        "05": f"{moment.second:02d}", "06": f"{moment.year % 100:02d}", "15": f"{moment.hour:02d}",
        "PM": moment.strftime("%p"), "pm": moment.strftime("%p").lower(), "_2": f"{moment.day:2d}",
        "1": str(moment.month), "2": str(moment.day), "3": str(int(moment.strftime("%I"))),
        "4": str(moment.minute), "5": str(moment.second),
    }  # fmt: skip
    return _LAYOUT.sub(lambda found: shown.get(found[0], found[0]), layout)


def added(time: Time, more: Duration) -> Time:
    """Return a moment that much later; microseconds are the finest."""
    return Time(time.moment + timedelta(microseconds=more.nanoseconds / 1000))


def between(later: Time, earlier: Time) -> Duration:
    """Return how long it is from one moment to another."""
    passed = later.moment - earlier.moment
    return Duration((passed.days * 86400 + passed.seconds) * _NANO + passed.microseconds * 1000)


def operated(operator: str, left: object, right: object) -> Any:  # noqa: ANN401 - a value of an expression
    """Return an operation on times and durations, None when it is none."""
    if isinstance(left, Time) and isinstance(right, Time):
        return between(left, right) if operator == "-" else _compared(operator, left, right)
    if isinstance(left, Time) and isinstance(right, Duration) and operator in ("+", "-"):
        return added(left, right if operator == "+" else Duration(-right.nanoseconds))
    if isinstance(left, Duration) and isinstance(right, Time) and operator == "+":
        return added(right, left)
    if isinstance(left, Duration) and isinstance(right, Duration):
        if operator in ("+", "-"):
            return Duration(left.nanoseconds + right.nanoseconds * (1 if operator == "+" else -1))
        return _compared(operator, left, right)
    if operator == "*" and (isinstance(left, Duration) or isinstance(right, Duration)):
        one, other = (left, right) if isinstance(left, Duration) else (right, left)
        if isinstance(one, Duration) and isinstance(other, (int, float)):
            return Duration(int(one.nanoseconds * other))
    return None


def _compared(operator: str, left: Any, right: Any) -> bool | None:  # noqa: ANN401 - two of one type
    tests = {"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}
    return tests.get(operator)


def _later(time: Time, years: int, months: int, days: int) -> Time:
    """Go's AddDate: a month that is too short runs over into the next."""
    month = time.moment.month - 1 + months
    first = time.moment.replace(year=time.moment.year + years + month // 12, month=month % 12 + 1, day=1)
    return Time(first + timedelta(days=time.moment.day - 1 + days))


_OF_TIME: Final[dict[str, Callable[..., Any]]] = {
    "Year": lambda t: t.moment.year, "Month": lambda t: t.moment.month, "Day": lambda t: t.moment.day,
    "Hour": lambda t: t.moment.hour, "Minute": lambda t: t.moment.minute, "Second": lambda t: t.moment.second,
    "Nanosecond": lambda t: t.moment.microsecond * 1000, "Weekday": lambda t: t.moment.isoweekday() % 7,
    "YearDay": lambda t: t.moment.timetuple().tm_yday, "Unix": lambda t: int(t.moment.timestamp() // 1),
    "UnixMilli": lambda t: int(t.moment.timestamp() * 1000), "Format": lambda t, by: _formatted(t.moment, by),
    "Add": added, "Sub": between, "AddDate": _later,
    "Before": lambda t, o: t < o, "After": lambda t, o: t > o,
    "Equal": lambda t, o: t == o, "UTC": lambda t: Time(t.moment.astimezone(UTC)), "String": str,
}  # fmt: skip
_OF_DURATION: Final[dict[str, Callable[..., Any]]] = {
    "Hours": lambda d: d.nanoseconds / 3600e9, "Minutes": lambda d: d.nanoseconds / 60e9,
    "Seconds": lambda d: d.nanoseconds / 1e9, "Milliseconds": lambda d: d.nanoseconds // 1_000_000,
    "Microseconds": lambda d: d.nanoseconds // 1000, "Nanoseconds": lambda d: d.nanoseconds, "String": str,
    "Abs": lambda d: Duration(abs(d.nanoseconds)),
    "Truncate": lambda d, m: Duration(d.nanoseconds - d.nanoseconds % m.nanoseconds),
}  # fmt: skip


def method(holder: object, name: str) -> Callable[..., Any] | None:
    """Return a method of a time or a duration, None when it has none of that name."""
    table = _OF_TIME if isinstance(holder, Time) else _OF_DURATION if isinstance(holder, Duration) else {}
    call = table.get(name)
    return None if call is None else lambda *values: call(holder, *values)


def plain(value: object) -> object:
    """Return what JSON has of a time or a duration; anything else as it is."""
    if isinstance(value, Time):
        return value.json()
    return value.nanoseconds if isinstance(value, Duration) else value
