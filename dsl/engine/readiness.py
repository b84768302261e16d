"""The containers of a daemon as they start in; one call when all of them are ready out.

A container is ready when its `startupProbe` and then its `readinessProbe` have succeeded; one that has none
is ready as soon as it has started. Where a probe fails it is tried again sooner than every `periodSeconds`.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsl.engine.pod import Container
from dsl.engine.process import Group, Process, Program
from dsl.engine.relocate import expand

ADDRESS = "127.0.0.1"
"""Where the daemons of a run listen."""
_FIRST_PAUSE = 0.05  # seconds
_UNANSWERED = "Startup probe failed"
_UNTRIED = "a probe cannot be tried"


class Readiness:
    """Calls `ready` once, when the containers of the given names are ready."""

    def __init__(self, names: set[str], ready: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._missing = names
        self._ready = ready

    def starting(
        self, container: Container, start: Callable[[Program], Process]
    ) -> Callable[[Program], Process]:
        """Return what starts a container as `start` does, and then looks whether it is ready."""
        if container.name not in self._missing:
            return start

        def watched(program: Program) -> Process:
            process = start(program)
            threading.Thread(target=self._look, args=(container, program), daemon=True).start()
            return process

        return watched

    def _look(self, container: Container, program: Program) -> None:
        try:
            self._watch(container, program)
        except Exception as wrong:  # who waits for the daemon would wait for ever
            container.group.stop(f"{_UNTRIED}: {type(wrong).__name__}: {wrong}")

    def _watch(self, container: Container, program: Program) -> None:
        startup, readiness = container.raw.get("startupProbe"), container.raw.get("readinessProbe")
        if startup and not _succeeds(startup, container, program, _seconds_until_killed(startup)):
            if not container.group.is_ending:
                container.group.stop(_UNANSWERED)
            return
        if readiness and not _succeeds(readiness, container, program, float("inf")):
            return
        with self._lock:
            self._missing.discard(container.name)
            if self._missing:
                return
        self._ready()


def _seconds_until_killed(probe: Mapping[str, Any]) -> float:
    return float(probe.get("failureThreshold") or 3) * _period(probe)


def _period(probe: Mapping[str, Any]) -> float:
    return float(probe.get("periodSeconds") or 10)


def _succeeds(probe: Mapping[str, Any], container: Container, program: Program, seconds: float) -> bool:
    """Wait until a probe has succeeded as often as it must; False when its container ends or time is over."""
    time.sleep(float(probe.get("initialDelaySeconds") or 0))
    until, pause, successes = time.monotonic() + seconds, _FIRST_PAUSE, 0
    while not container.group.is_ending and time.monotonic() < until:
        successes = successes + 1 if _answers(probe, container, program) else 0
        if successes == int(probe.get("successThreshold") or 1):
            return not container.group.is_ending
        time.sleep(pause)
        pause = min(2 * pause, _period(probe))
    return False


def _answers(probe: Mapping[str, Any], container: Container, program: Program) -> bool:
    timeout = float(probe.get("timeoutSeconds") or 1)
    try:
        if probe.get("exec"):
            words = map(str, probe["exec"].get("command") or [])
            return _exits_well(
                [expand(container.layout.rewrite(w), program.env) for w in words], program, timeout
            )
        if probe.get("httpGet"):
            return _responds_well(probe["httpGet"], container, timeout)
        address = _address(probe["tcpSocket"], container)
        socket.create_connection(address, timeout).close()
    except OSError:
        return False
    return True


def _exits_well(command: list[str], program: Program, timeout: float) -> bool:
    group = Group()
    timer = threading.Timer(timeout, group.kill)
    timer.daemon = True
    timer.start()
    with Path(os.devnull).open("wb") as nowhere:
        code, _ = group.run(command, program.env, program.folder, nowhere, keeps_stdout=False, until=None)
    timer.cancel()
    return code == 0


def _responds_well(request: Mapping[str, Any], container: Container, timeout: float) -> bool:
    import http.client  # with ssl two megabytes and 20 ms, which few runs need
    import ssl

    host, port = _address(request, container)
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    if str(request.get("scheme") or "HTTP").upper() == "HTTPS":
        unverified = ssl._create_unverified_context()  # as kubelet does
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=unverified)
    headers = {str(header["name"]): str(header["value"]) for header in request.get("httpHeaders") or []}
    try:
        connection.request("GET", str(request.get("path") or "/"), headers=headers)
        return 200 <= connection.getresponse().status < 400
    except http.client.HTTPException:
        return False
    finally:
        connection.close()


def _address(action: Mapping[str, Any], container: Container) -> tuple[str, int]:
    """Return the host and the port that a probe speaks to; a port may be named. Raises OSError."""
    port = str(action.get("port"))
    named = {str(each.get("name")): each.get("containerPort") for each in container.raw.get("ports") or []}
    number = port if port.isdecimal() else named.get(port)
    if number is None:
        raise OSError(f"no port is named {port}")
    return str(action.get("host") or ADDRESS), int(number)
