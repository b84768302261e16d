"""One call under a `retryStrategy`: attempts one after another until one succeeds or the rule says stop.

Source: workflow/controller/operator.go:processNodeRetries (v4.1.2).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dsl.engine.arguments import fill
from dsl.engine.call import Prepared, again, pod_name
from dsl.engine.clock import LONGEST, seconds_of, whole
from dsl.engine.node import BAD, Node, NodeFault, alone
from dsl.engine.tags import Mode, TagError, substitute
from dsl.expr.depends import DAEMONED
from dsl.expr.expression import compiled

if TYPE_CHECKING:
    from dsl.engine.schedule import Engine

_TRANSIENT = re.compile(
    r"(?i)i/o timeout|connection reset|TLS handshake timeout|too many requests|exceeded quota"
)


class RetryRun:
    """The state of one Retry node."""

    def __init__(self, engine: Engine, prepared: Prepared, rule: Mapping[str, Any], node: Node) -> None:
        self.engine = engine
        self.prepared = prepared
        self.expression = str(rule.get("expression") or "")
        unfilled = {key: value for key, value in rule.items() if key != "expression"}
        self.rule: Mapping[str, Any] = fill(unfilled, prepared.scope, Mode.LENIENT)
        self.attempts: list[Node] = []
        self.node = node
        self.node.flag = self.node.flag and f"{self.node.flag} retried"  # a hook shares it with its attempts
        self.node.done = prepared.call.done
        self.node.children = self.attempts
        engine.runs(prepared.call, self.node)
        self.waits = 0.0
        self.last_moment = float("inf")

    def start(self) -> None:
        """Begin the next attempt."""
        number = len(self.attempts)
        last = self.attempts[-1] if self.attempts else None
        more = {
            "retries": str(number),
            "lastRetry.exitCode": (last.exit_code if last and last.exit_code is not None else "0"),
            "lastRetry.status": last.phase if last else "",
            "lastRetry.duration": _duration(last) if last else "0",
            "lastRetry.message": last.message if last else "",
        }
        name = f"{self.node.name}({number})"
        if self.prepared.template.is_leaf:
            more["pod.name"] = pod_name(self.engine.workflow, name, self.prepared.template.name)
        try:
            prepared = again(self.prepared, more)
        except (TagError, NodeFault) as wrong:
            self.engine.fail(self.node, self.prepared.call, str(wrong))
            return
        attempt = self.engine.node_of(prepared, f"({number})", "retried")
        self.attempts.append(attempt)
        self.engine.run_body(prepared, attempt, self._ended, self._until(last))

    def _until(self, last: Node | None) -> float | None:
        """Return when `time.monotonic()` will be at the last moment that `maxDuration` allows.

        Argo makes it the deadline of every pod but the first. The time between two runs does not count.
        """
        if last is None or self.last_moment == float("inf"):
            return None
        return time.monotonic() + self.last_moment - (last.finished if last.taken else time.time())

    def _ended(self, attempt: Node) -> None:
        if attempt.phase == DAEMONED:
            attempt.done = self._ended
            self.engine.daemoned(self.node)
            return
        if attempt.phase not in BAD:
            self._finish("Succeeded", "")
            return
        if self.node.boundary and self.node.boundary.is_done:  # it has failed fast
            return
        if attempt.fault and self._policy() not in ("Always", "OnError", "OnTransientError"):
            self.engine.fail(self.node, self.prepared.call, attempt.fault)
            return
        try:
            stop = self._reason_to_stop(attempt)
        except ValueError as wrong:
            if attempt.type != "Pod":  # Argo learns of the end of a pod when it has left that behind
                attempt.phase, attempt.message = "Error", str(wrong)
            self.engine.fail(self.node, self.prepared.call, str(wrong))
            return
        if stop is not None:
            self._finish(attempt.phase, stop)
        elif self.waits > 0 and not attempt.taken:
            self.node.message = f"Backoff for {self.waits:g} seconds"
            resume = partial(self._resume, attempt)
            self.engine.backing_off[self.node] = resume
            self.engine.at(time.monotonic() + self.waits, resume)
        else:
            self.start()

    def _resume(self, attempt: Node) -> None:
        if self.engine.backing_off.pop(self.node, None) is None:
            return
        self.node.message = ""
        self.waits = 0.0
        if self.engine.past_deadline:
            self._finish(attempt.phase, self._exceeded())
        else:
            self.start()

    def _exceeded(self) -> str:
        moment = time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(self.engine.deadline))
        return f"retry exceeded workflow deadline {moment}"

    def _finish(self, phase: str, message: str) -> None:
        last = self.attempts[-1]
        self.node.outputs, self.node.artifacts = dict(last.outputs), dict(last.artifacts)
        self.node.result, self.node.exit_code = last.result, last.exit_code
        self.node.branch = alone(phase)
        self.node.outer = last.branch if last.type in ("DAG", "Steps") else None
        self.engine.finish(self.node, phase, message)

    def _policy(self) -> str:
        policy = str(self.rule.get("retryPolicy") or "")
        return policy or ("Always" if self.expression else "OnFailure")

    def _reason_to_stop(self, attempt: Node) -> str | None:
        """Return the message with which to stop, or None to go on after `self.waits` seconds.

        Raises ValueError.
        """
        if self.engine.past_deadline:
            return self._exceeded()
        count = len(self.attempts)
        limit = self.rule.get("limit")
        if self.rule.get("backoff"):
            stop = self._backoff(count, limit)
            if stop:
                return stop
        policy = self._policy()
        retried = {"Always": BAD, "OnError": ("Error",), "OnFailure": ("Failed",)}
        phases = retried.get(policy, ())
        if policy == "OnTransientError" and _TRANSIENT.search(attempt.message):
            phases = BAD
        if attempt.phase not in phases:
            return attempt.message
        if limit is not None and count > whole(limit):
            return "No more retries left"
        if self.expression and not self._continues(attempt, count):
            return "retryStrategy.expression evaluated to false"
        return None

    def _backoff(self, count: int, limit: object) -> str:
        backoff = self.rule["backoff"]
        if backoff.get("maxDuration"):
            self.last_moment = self.attempts[0].started + seconds_of(str(backoff["maxDuration"]))
            if self.attempts[-1].finished > self.last_moment:
                return "Max duration limit exceeded"
        if not backoff.get("duration"):
            raise NodeFault("no base duration specified for retryStrategy")
        wait = seconds_of(str(backoff["duration"]))
        if backoff.get("factor") is not None and (factor := whole(backoff["factor"])) > 0:
            wait = min(wait * min(factor ** (count - 1), 2**63), LONGEST)  # Go's own bounds
        if backoff.get("cap"):
            wait = min(wait, seconds_of(str(backoff["cap"])))
        if self.attempts[-1].finished + wait > self.last_moment:
            return "Backoff would exceed max duration limit"
        self.waits = wait if limit is not None and count <= whole(limit) else 0.0
        return ""

    def _continues(self, attempt: Node, count: int) -> bool:
        last = {
            "exitCode": attempt.exit_code if attempt.exit_code is not None else "-1",
            "status": attempt.phase,
            "duration": _duration(attempt),
            "message": attempt.message,
        }
        expression = substitute(self.expression, self.prepared.scope)
        return compiled(expression).truth({"retries": str(count - 1), "lastRetry": last})


def _duration(node: Node) -> str:
    return f"{max(0, round(node.finished - node.started))}"
