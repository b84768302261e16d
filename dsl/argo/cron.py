"""When a CronWorkflow runs: schedules as robfig/cron v3 reads them, time zones, policies (v4.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from dsl.argo.findings import nearest
from dsl.argo.library import Home
from dsl.argo.scalars import is_duration, is_integer
from dsl.argo.validation import Validation
from dsl.codes import Code

_DESCRIPTORS: Final = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[str, int, int, Mapping[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
_POLICIES: Final = ("Allow", "Forbid", "Replace")
_HINT: Final = "write five fields, as in '0 6 * * *', or @daily"


def check_cron(validation: Validation, spec: Mapping[str, Any], home: Home) -> None:
    """Report what Argo cannot schedule."""
    schedules = spec.get("schedules") or ()
    if not schedules:
        validation.report(
            Code.SCHEDULE, home.at("schedules"), "there is no schedule", "add schedules: ['@daily']"
        )
    for index, schedule in enumerate(schedules):
        if fault := schedule_fault(schedule):
            validation.report(Code.SCHEDULE, home.at("schedules", index), fault, _HINT)
    zone = spec.get("timezone", "")
    if zone and not is_zone(zone):
        clause = f"there is no time zone {zone!r}"
        validation.report(Code.SCHEDULE, home.at("timezone"), clause, "write one as in Europe/Berlin")
    policy = spec.get("concurrencyPolicy", "")
    if policy and policy not in _POLICIES:
        hint = nearest(policy, _POLICIES, f"write one of {', '.join(_POLICIES)}")
        place = home.at("concurrencyPolicy")
        validation.report(Code.OUT_OF_LIMITS, place, f"{policy!r} is no concurrencyPolicy", hint)
    if (spec.get("startingDeadlineSeconds") or 0) < 0:
        place = home.at("startingDeadlineSeconds")
        validation.report(Code.OUT_OF_LIMITS, place, "the deadline is negative", "write a number from 0")


def is_zone(name: str) -> bool:
    """Whether Go finds a time zone by a name."""
    if name in ("UTC", "Local"):
        return True
    if ".." in name or name.startswith(("/", "\\")):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return not available_timezones()  # a machine without the database knows none
    return True


def schedule_fault(schedule: str) -> str:
    """Return why a schedule cannot be read, or nothing.

    >>> [schedule_fault(text) for text in ("*/5 0 1,15 * mon-fri", "@every 1h", "0 24 * * *")]
    ['', '', '24 is no hour']
    """
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        zone, blank, rest = schedule.partition("=")[2].partition(" ")
        if not blank or (zone and not is_zone(zone)):
            return f"there is no time zone {zone!r}"
        schedule = rest.strip()
    if schedule.startswith("@every "):
        every = schedule.removeprefix("@every ")
        return "" if is_duration(every) else f"{every!r} is no duration"
    if schedule.startswith("@"):
        return "" if schedule in _DESCRIPTORS else f"{schedule!r} is no schedule"
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        return f"{schedule!r} has {len(fields)} fields, not five"
    faults = (_field_fault(text, *bounds) for text, bounds in zip(fields, _FIELDS, strict=True))
    return next((fault for fault in faults if fault), "")


def _field_fault(text: str, what: str, low: int, high: int, names: Mapping[str, int]) -> str:
    parts = [part for part in text.split(",") if part]
    return next((fault for part in parts if (fault := _part_fault(part, what, low, high, names))), "")


def _part_fault(part: str, what: str, low: int, high: int, names: Mapping[str, int]) -> str:
    span, *steps = part.split("/")
    ends = span.split("-")
    if len(steps) > 1 or (len(ends) > 2 and ends[0] not in ("*", "?")):
        return f"{part!r} is no {what}"
    if ends[0] in ("*", "?"):
        start, end = low, high
    else:
        numbers = [_number(text, names) for text in ends]
        if None in numbers:
            return f"{part!r} is no {what}"
        start, end = numbers[0] or 0, numbers[-1] or 0
    if steps:
        step = _number(steps[0], {})
        if not step:
            return f"{part!r} has no step"
        end = high if len(ends) == 1 else end
    for number in (start, end):
        if not low <= number <= high:
            return f"{number} is no {what}"
    return f"{part!r} ends before it begins" if start > end else ""


def _number(text: str, names: Mapping[str, int]) -> int | None:
    if text.lower() in names:
        return names[text.lower()]
    return int(text) if is_integer(text) and not text.startswith("-") else None
