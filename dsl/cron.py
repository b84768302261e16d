"""The schedule of a DAG in, what is wrong with its text out: cron and time zones as Argo reads them.

This version makes no CronWorkflow; what an author wrote is checked all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from zoneinfo import available_timezones

from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.encode import shown
from dsl.location import Location
from dsl.names import did_you_mean

SCHEDULE_OPTIONS = ("schedule", "timezone", "catchup", "max_active_runs")


def schedule_problems(
    options: Mapping[str, object], place_of: Callable[[str], Location]
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the schedule of a DAG, and that this version supports none."""
    given = [name for name in SCHEDULE_OPTIONS if name in options]
    if not given:
        return
    from dsl.argo.cron import is_zone, schedule_fault  # much comes with it, and few DAGs have a schedule

    for name in given:
        value, place = options[name], place_of(name)
        text = value if isinstance(value, str) else ""
        if name == "schedule" and (why := schedule_fault(text) if text else "it is no text"):
            hint = 'write "minute hour day month weekday", such as "30 4 * * 1", or "@daily"'
            yield Diagnostic(Code.INVALID_SCHEDULE, place, f"schedule={shown(value)}: {why}", hint)
        if name == "timezone" and not (text and is_zone(text)):
            guess = did_you_mean(str(value), available_timezones())
            hint = f'did you mean "{guess}"?' if guess else 'write a name such as "Europe/Berlin" or "UTC"'
            yield Diagnostic(Code.INVALID_TIME_ZONE, place, f"there is no time zone {shown(value)}", hint)
    message = f"{given[0]}= is not supported by this version"
    hint = "remove it, and let a CronWorkflow of your own start the WorkflowTemplate"
    yield Diagnostic(Code.UNSUPPORTED, place_of(given[0]), message, hint)
