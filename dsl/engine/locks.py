"""Mutexes and semaphores: a `synchronization` in, its locks, who holds them and who is next, out.

Source: workflow/sync (v4.1.2). All locks of a call are taken at once. A run knows nothing of other runs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dsl.engine.call import Prepared
from dsl.engine.node import Node, NodeFault
from dsl.engine.objects import NoValue, Objects


class Lock(NamedTuple):
    """A lock by the name that Argo shows, and how many may hold it."""

    name: str
    limit: int

    @property
    def wait(self) -> str:
        """Return what a call waits for when it cannot have the lock, in Argo's words."""
        return f"Waiting for {self.name} lock. Lock status: 0/{self.limit}"


class Waiter(NamedTuple):
    """A call that waits for locks, and the node that shows it; its turn comes by `order`, then `ticket`."""

    order: tuple[int, ...]
    ticket: int
    locks: tuple[Lock, ...]
    prepared: Prepared
    node: Node


class Locks:
    """Who holds which locks, and who waits: each in the queue of one lock that it cannot have."""

    def __init__(self, objects: Objects, namespace: str) -> None:
        self._objects = objects
        self._namespace = namespace
        self._holders: dict[str, list[object]] = {}
        self._queues: dict[str, list[Waiter]] = {}

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

    def full(self, locks: Iterable[Lock]) -> Lock | None:
        """Return the first lock that a call cannot have; None when it can take all of them."""
        return next((lock for lock in locks if not self._is_free(lock)), None)

    def _is_free(self, lock: Lock) -> bool:
        return len(self._holders.get(lock.name, ())) < lock.limit

    def take(self, locks: Iterable[Lock], holder: object) -> None:
        """Let a holder have locks."""
        for lock in locks:
            self._holders.setdefault(lock.name, []).append(holder)

    def release(self, locks: Iterable[Lock], holder: object) -> None:
        """Take locks from a holder, if it has them."""
        for lock in locks:
            holders = self._holders.get(lock.name, [])
            holders[:] = [other for other in holders if other is not holder]

    def wait(self, waiter: Waiter, lock: Lock) -> None:
        """Let a call wait for a lock that it cannot have."""
        heapq.heappush(self._queues.setdefault(lock.name, []), waiter)

    def next(self, locks: Sequence[Lock]) -> Waiter | None:
        """Return who is the next to take all that it waits for, after locks were released, if anybody is."""
        while free := [lock.name for lock in locks if lock.name in self._queues and self._is_free(lock)]:
            first = min(free, key=lambda name: self._queues[name][0])
            waiter = heapq.heappop(self._queues[first])
            if not self._queues[first]:
                del self._queues[first]
            other = self.full(waiter.locks)
            if other is None:
                return waiter
            self.wait(waiter, other)
        return None

    def give_up(self, waiter: Waiter) -> bool:
        """Let a call wait no more; return whether it still did."""
        for name, queue in self._queues.items():
            if waiter in queue:
                queue.remove(waiter)
                heapq.heapify(queue)
                if not queue:
                    del self._queues[name]
                return True
        return False

    @property
    def waiting(self) -> list[Waiter]:
        """Return all that wait, in their order."""
        return sorted(waiter for queue in self._queues.values() for waiter in queue)

    def clear(self) -> list[Waiter]:
        """Let nobody wait any more; return who did, in their order."""
        waiting = self.waiting
        self._queues.clear()
        return waiting
