"""A headless Chromium, driven through chromedriver by the W3C's WebDriver protocol (plain HTTP)."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.harness.views.programs import needed

TIMEOUT_S = 60
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, section 12: the name of a reference
_KEYS = {
    "Home": "\ue011",
    "End": "\ue010",
    "PageDown": "\ue00f",
    "Left": "\ue012",
    "Right": "\ue014",
}
_ARGUMENTS = (
    *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
    *("disable-background-networking", "disable-component-update", "disable-dev-shm-usage"),
    "window-size=1400,1000",
)


class Browser:
    """One page at a time."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.session = ""

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One command; what it gave."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + self.session + path, data, method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)["value"]

    def open(self, page: Path, place: str = "") -> None:
        """Loads a file and waits until its script has run to its end."""
        self.call("POST", "/url", {"url": "about:blank"})
        self.call("POST", "/url", {"url": page.as_uri() + place})
        assert self.run("return document.documentElement.dataset.ready") == "yes", self.errors()

    def run(self, script: str) -> Any:
        """What a piece of JavaScript gives."""
        return self.call("POST", "/execute/sync", {"script": script, "args": []})

    def press(self, keys: str) -> None:
        """Types into whatever has the focus: a key by name, or characters."""
        element = self.run("return document.activeElement")[_ELEMENT]
        self.call("POST", f"/element/{element}/value", {"text": _KEYS.get(keys, keys)})

    def errors(self) -> list[str]:
        """What the page has written into the console as an error since the last call."""
        entries = self.call("POST", "/se/log", {"type": "browser"})
        return [each["message"] for each in entries if each["level"] == "SEVERE"]

    def screenshot(self) -> bytes:
        """The window as a PNG."""
        return base64.b64decode(self.call("GET", "/screenshot"))


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Starts chromedriver and a Chromium with an empty profile, and ends both."""
    chromedriver, chromium = needed("chromedriver", "chromium")
    driver = subprocess.Popen(
        [chromedriver, "--port=0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        made = Browser(f"http://127.0.0.1:{_port(driver)}")
        arguments = [f"--{each}" for each in (*_ARGUMENTS, f"user-data-dir={profile}")]
        options = {"binary": chromium, "args": arguments}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = made.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        made.session = "/session/" + session["sessionId"]
        try:
            yield made
        finally:
            made.call("DELETE", "")
    finally:
        driver.terminate()
        driver.communicate(timeout=TIMEOUT_S)


def _port(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    for line in driver.stdout:
        found = re.search(r"started successfully on port (\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("chromedriver said no port")
