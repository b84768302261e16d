"""A Chromium without a window that a test opens pages in; it is spoken to by the DevTools protocol, on pipes.

The protocol: https://chromedevtools.github.io/devtools-protocol, `--remote-debugging-pipe`.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PROGRAM = next((found for name in _NAMES if (found := shutil.which(name))), None)
WAIT = 120
"""Seconds that the browser may take to answer."""
_FLAGS = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--remote-debugging-pipe",
)


class Browser:
    """One process; `with` ends it."""

    def __init__(self, folder: Path) -> None:
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        flags = (*_FLAGS, f"--user-data-dir={folder}", "about:blank")
        self._process = subprocess.Popen(
            [str(PROGRAM), *flags],
            stderr=subprocess.DEVNULL,
            close_fds=False,  # it would close 3 and 4, where the browser looks for its pipes
            preexec_fn=lambda: _place(theirs_in, theirs_out),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._held = b""
        self._number = 0

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.call("Browser.close")
        self._process.wait(WAIT)
        os.close(self._to)
        os.close(self._from)

    def open(self, path: Path, *, dark: bool = False) -> "Page":
        """Return a new page that has loaded a file."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call("Performance.enable", timeDomain="threadTicks")
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.navigate", url=path.absolute().as_uri())
        while "Page.loadEventFired" not in page.seen:
            page.hear(self.read())
        return page

    def call(self, method: str, session: "Page | None" = None, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command; events that come before it go to the page."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session.id
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            if session:
                session.hear(answer)

    def read(self) -> dict[str, Any]:
        """Return the next message of the browser."""
        until = time.monotonic() + WAIT
        while b"\0" not in self._held:
            assert select.select([self._from], [], [], max(0, until - time.monotonic()))[0], "no answer"
            more = os.read(self._from, 1 << 20)
            assert more, "the browser ended"
            self._held += more
        message, _, self._held = self._held.partition(b"\0")
        return json.loads(message)


def _place(commands: int, answers: int) -> None:
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (commands, answers)]
    for number, end in zip((3, 4), high, strict=True):
        os.dup2(end, number)


class Page:
    """A page.

    `problems` are exceptions and refusals that it told of, `requests` the addresses that it asked for.
    """

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self.browser, self.id, self.target = browser, session, target
        self.seen: set[str] = set()
        self.problems: list[str] = []
        self.requests: list[str] = []

    def hear(self, event: dict[str, Any]) -> None:
        """Take note of an event."""
        if event.get("sessionId") != self.id:
            return
        self.seen.add(event["method"])
        if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded"):
            self.problems.append(json.dumps(event["params"]))
        elif event["method"] == "Network.requestWillBeSent":
            self.requests.append(event["params"]["request"]["url"])

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a command to this page."""
        return self.browser.call(method, self, **parameters)

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is, as JSON."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements of a selector."""
        found: list[str] = self.value(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent)"
        )
        return found

    def worked(self) -> float:
        """Return the seconds that the page has had of a processor, however busy the machine is."""
        metrics = self.call("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        code = {"Enter": 13, "Tab": 9, " ": 32}[key]
        text = {"Enter": "\r", " ": " "}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code,
                **({"text": text} if text and kind == "keyDown" else {}),
            )  # fmt: skip

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """Close the page."""
        self.browser.call("Target.closeTarget", targetId=self.target)
