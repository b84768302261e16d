"""The containers of one pod, each a process: begun in order, ended together.

Init containers run one after another; then the pod's own, those of a set when what they depend on has
succeeded; and beside these the sidecars, until the last of them has ended.

Source: cmd/argoexec/commands/emissary.go, operator.go:inferFailedReason (v4.1.2).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dsl.engine.process import Group
from dsl.engine.relocate import Layout

MAIN = "main"
_KILLED = (137, 143)


@dataclass(slots=True)
class Container:
    """What one container runs, and where its paths are."""

    name: str
    raw: Mapping[str, Any]
    layout: Layout
    group: Group

    @property
    def dependencies(self) -> list[str]:
        """Return the containers of its set that have to succeed before it begins."""
        return [str(name) for name in self.raw.get("dependencies") or []]


class Ended(NamedTuple):
    """How a container ended; `message` is why it could not begin, `unlogged` why its log is not whole."""

    code: int
    stdout: bytes = b""
    message: str = ""
    unlogged: str = ""

    def told(self, name: str) -> str:
        """Return it in Argo's words."""
        return f"{name}: Error (exit code {self.code})" + (f": {self.message}" if self.message else "")


Execute = Callable[[Container], Ended]


@dataclass(slots=True)
class Pod:
    """The containers of a pod; `ended` fills while it runs.

    A container of its own begins up to `attempts` times, with a `pause` in seconds between them.
    """

    init: Sequence[Container]
    own: Sequence[Container]
    sidecars: Sequence[Container]
    attempts: int = 1
    pause: float = 0.0
    ended: dict[str, Ended] = field(default_factory=dict)
    _over: dict[str, threading.Event] = field(default_factory=dict)
    _codes: dict[str, int] = field(default_factory=dict)

    def run(self, execute: Execute) -> None:
        """Run all to their end: none is at work any more when this returns or raises."""
        for container in self.init:
            self._execute(container, execute)
            if self.ended[container.name].code:
                return
        self._over = {container.name: threading.Event() for container in self.own}
        beside: list[threading.Thread] = []
        others: list[threading.Thread] = []
        try:
            for container in self.sidecars:
                beside.append(_started(self._execute, container, execute))
            for container in self.own[1:]:
                others.append(_started(self._run_own, container, execute))
            self._run_own(self.own[0], execute)
            for thread in others:
                thread.join()
        finally:
            for over in self._over.values():  # of those for which there was no thread, too
                over.set()
            for container in self.sidecars:
                container.group.stop("the pod has ended")
            for thread in (*others, *beside):
                thread.join()

    def _execute(self, container: Container, execute: Execute) -> Ended:
        try:
            ended = execute(container)
        except OSError as wrong:
            ended = Ended(64, message=str(wrong))
        except Exception as wrong:  # who waits for it, and the pod, have to learn that it did not begin
            ended = Ended(64, message=f"{type(wrong).__name__}: {wrong}")
        self.ended[container.name] = ended
        return ended

    def _run_own(self, container: Container, execute: Execute) -> None:
        """Run a container of the pod's own, once those it depends on have ended well."""
        try:
            for name in container.dependencies:
                self._over[name].wait()
                if code := self._codes.get(name, 64):
                    self._codes[container.name] = code
                    why = f'dependency "{name}" exited with non-zero code: {code}'
                    self.ended[container.name] = Ended(64, message=why)
                    return
            for attempt in range(self.attempts):
                if attempt:
                    container.group.pause(self.pause)
                    if container.group.stopped:
                        return
                before = self.ended[container.name].stdout if attempt else b""
                ended = self._execute(container, execute)
                if before:
                    ended = self.ended[container.name] = ended._replace(stdout=before + b"\n" + ended.stdout)
                self._codes[container.name] = ended.code
                if not ended.code:
                    return
        finally:
            self._over[container.name].set()

    @property
    def has_begun(self) -> bool:
        """Whether its own containers began, or could not: no init container failed before."""
        return not any(self.ended[one.name].code for one in self.init if one.name in self.ended)

    @property
    def is_well(self) -> bool:
        """Whether its own containers have all succeeded."""
        return all(one.name in self.ended and not self.ended[one.name].code for one in self.own)

    def fault(self) -> str:
        """Return what failed the pod: an init container, one of its own, a sidecar; nothing if none did."""
        own = sorted(self.own, key=lambda container: container.name)
        for container in (*self.init, *own):  # all before one that failed have ended
            if self.ended[container.name].code:
                return self.ended[container.name].told(container.name)
        for container in sorted(self.sidecars, key=lambda container: container.name):
            ended = self.ended.get(container.name)
            if ended and ended.code and ended.code not in _KILLED:
                return ended.told(container.name)
        return ""

    def members(self) -> dict[str, tuple[str, str]]:
        """Return phase and message of each container of a set."""
        found = {}
        for container in self.own:
            ended = self.ended.get(container.name)
            if ended is None:
                found[container.name] = ("Failed", "Pod Failed whilst container running")
            elif not ended.code:
                found[container.name] = ("Succeeded", "")
            else:
                message = f"{Ended(ended.code).told(container.name)}: {ended.message}"
                found[container.name] = ("Error" if ended.code == 64 else "Failed", message)
        return found


def _started(run: Callable[..., object], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=run, args=arguments, daemon=True)
    thread.start()
    return thread


def is_set(body: Mapping[str, Any]) -> bool:
    """Whether a template's own containers are those of a set."""
    return body.get("containerSet") is not None


def own_of(body: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the containers that are a template's own, with what the set mounts into each of them."""
    if not is_set(body):
        return [{"name": MAIN, **body[kind]}]
    shared = body[kind].get("volumeMounts") or []
    return [
        {**container, "volumeMounts": [*(container.get("volumeMounts") or []), *shared]}
        for container in body[kind].get("containers") or []
    ]
