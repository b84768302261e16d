"""Mutexes and semaphores: a `synchronization` in, its locks, and who holds them, out.

Source: workflow/sync (v4.1.2). All locks of a call are taken at once. A run knows nothing of other runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dsl.engine.node import NodeFault
from dsl.engine.objects import NoValue, Objects


class Lock(NamedTuple):
    """A lock by the name that Argo shows, and how many may hold it."""

    name: str
    limit: int


class Locks:
    """Who holds which locks."""

    def __init__(self, objects: Objects, namespace: str) -> None:
        self._objects = objects
        self._namespace = namespace
        self._holders: dict[str, list[object]] = {}

    def of(self, rule: Mapping[str, Any]) -> tuple[Lock, ...]:
        """Return what a `synchronization` asks for.

        Raises NodeFault when a semaphore has no limit, or when one lock is asked for twice.
        """
        mutexes = (self._name(mutex, "Mutex", mutex.get("name")) for mutex in rule.get("mutexes") or [])
        semaphores = (self._semaphore(semaphore) for semaphore in rule.get("semaphores") or [])
        locks = (*(Lock(name, 1) for name in mutexes), *semaphores)
        if len(set(locks)) < len(locks):
            raise NodeFault("requested configuration is invalid: duplicate synchronization item found")
        return locks

    def _semaphore(self, semaphore: Mapping[str, Any]) -> Lock:
        reference = semaphore.get("configMapKeyRef") or {}
        name = self._name(semaphore, "ConfigMap", reference.get("name"), reference.get("key"))
        try:
            limit = int(self._objects.key(reference))
        except (NoValue, ValueError):
            limit = 0
        if limit < 1:
            raise NodeFault(f"failed to initialize semaphore {name} with limit")
        return Lock(name, limit)

    def _name(self, lock: Mapping[str, Any], *words: object) -> str:
        return "/".join(map(str, (lock.get("namespace") or self._namespace, *words)))

    def is_free(self, lock: Lock) -> bool:
        """Whether one more may hold it."""
        return len(self._holders.get(lock.name, ())) < lock.limit

    def full(self, locks: Iterable[Lock]) -> str:
        """Return what a call waits for, in Argo's words; nothing when it can take all of its locks."""
        lock = next((lock for lock in locks if not self.is_free(lock)), None)
        return f"Waiting for {lock.name} lock. Lock status: 0/{lock.limit}" if lock else ""

    def take(self, locks: Iterable[Lock], holder: object) -> None:
        """Let a holder have locks."""
        for lock in locks:
            self._holders.setdefault(lock.name, []).append(holder)

    def release(self, holder: object) -> None:
        """Take all locks from a holder."""
        for holders in self._holders.values():
            holders[:] = [other for other in holders if other is not holder]
