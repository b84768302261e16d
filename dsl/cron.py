"""The schedule of a DAG in, what is wrong with its text out: cron as Argo reads it, and names of time zones.

The grammar is that of robfig/cron v3 `ParseStandard`: five fields or a descriptor. This version makes no
CronWorkflow; what an author wrote is checked all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.encode import shown
from dsl.location import Location
from dsl.names import did_you_mean

SCHEDULE_OPTIONS = ("schedule", "timezone", "catchup", "max_active_runs")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_EVERY = re.compile(r"@every (?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_RANGE = re.compile(r"(?P<first>\*|\?|\w+)(?:-(?P<last>\w+))?(?:/(?P<step>\w+))?")


def schedule_problems(
    options: Mapping[str, object], place_of: Callable[[str], Location]
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the schedule of a DAG; a sound one is not supported by this version."""
    given = [name for name in SCHEDULE_OPTIONS if name in options]
    sound = True
    for name in given:
        value, place = options[name], place_of(name)
        if name == "schedule" and (why := cron_problem(value)):
            sound = False
            hint = 'write "minute hour day month weekday", such as "30 4 * * 1", or "@daily"'
            yield Diagnostic(Code.INVALID_SCHEDULE, place, f"schedule={shown(value)}: {why}", hint)
        if name == "timezone" and (zone := _zone_hint(value)):
            sound = False
            message = f"there is no time zone {shown(value)}"
            yield Diagnostic(Code.INVALID_TIME_ZONE, place, message, zone)
    if given and sound:
        message = f"{given[0]}= is not supported by this version"
        hint = "remove it, and let a CronWorkflow of your own start the WorkflowTemplate"
        yield Diagnostic(Code.UNSUPPORTED, place_of(given[0]), message, hint)


def cron_problem(value: object) -> str | None:
    """Return why Argo would not read a schedule, or None.

    >>> cron_problem("0 25 * * *")
    'the hour 25 is not from 0 to 23'
    """
    if not isinstance(value, str):
        return "it is no text"
    text = re.sub(r"^(?:CRON_)?TZ=\S+\s+", "", value.strip())
    if text.startswith("@"):
        known = text in _DESCRIPTORS or _EVERY.fullmatch(text)
        guess = did_you_mean(text, (*_DESCRIPTORS, "@every 1h"))
        return None if known else "there is no such word" + (f"; did you mean {guess}?" if guess else "")
    fields = text.split()
    if len(fields) != len(_FIELDS):
        return f"it has {len(fields)} fields, and cron has 5"
    for field, (name, least, most, words) in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if why := _part_problem(part, name, least, most, words):
                return why
    return None


def _part_problem(part: str, name: str, least: int, most: int, words: tuple[str, ...]) -> str | None:
    found = _RANGE.fullmatch(part)
    if found is None:
        return f"{part!r} is no {name}"
    first, last, step = found["first"], found["last"], found["step"]
    bounds: list[int | None] = [least, most]
    if first in ("*", "?"):
        if last is not None:
            return f"{part!r} is no {name}"
    else:
        bounds = [_number(word, words, least) for word in (first, last) if word is not None]
    for number, word in zip(bounds, (first, last), strict=False):
        if number is None:
            return f"{word!r} is no {name}"
        if not least <= number <= most:
            return f"the {name} {word} is not from {least} to {most}"
    begin, end = bounds[0], bounds[-1]
    if begin is not None and end is not None and begin > end:
        return f"the {name} {part} ends before it begins"
    if step is not None and (not step.isdecimal() or int(step) == 0):
        return f"the step {step!r} of {part!r} is no number from 1"
    return None


def _number(word: str, words: tuple[str, ...], least: int) -> int | None:
    if word.lower() in words:
        return words.index(word.lower()) + least
    return int(word) if word.isascii() and word.isdecimal() else None


def _zone_hint(value: object) -> str | None:
    """Return what to write in place of a name that no time zone has, None for one that has it."""
    from zoneinfo import ZoneInfo, available_timezones

    with suppress(OSError, ValueError, KeyError):
        ZoneInfo(value if isinstance(value, str) else "")
        return None
    known = available_timezones()
    if not known:  # a machine without a database of time zones knows of none that it is wrong
        return None
    guess = did_you_mean(str(value), known)
    return f'did you mean "{guess}"?' if guess else 'write a name such as "Europe/Berlin" or "UTC"'
