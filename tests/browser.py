"""A headless Chromium for tests, spoken to in the WebDriver protocol (W3C) through chromedriver; no client library."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium and chromedriver on this machine")

QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
).split()

COUNT_KEYS = """if (window.keysHeard === undefined) {
  window.keysHeard = 0;
  window.addEventListener('keydown', () => { window.keysHeard += 1; }, true);
}
return window.keysHeard"""


class Browser:
    """One window. `run` runs a script in the page and gives what it returns."""

    def __init__(self, base: str) -> None:
        self.base = base

    def ask(self, method: str, path: str, **body: Any) -> Any:
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.load(answer)["value"]

    def open(self, path: Path) -> None:
        self.ask("POST", "/url", url=path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.ask("POST", "/execute/sync", script=script, args=list(arguments))

    def becomes(self, condition: str, seconds: float = 20) -> bool:
        """Whether the expression becomes true within so many seconds."""
        until = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def wait(self, condition: str) -> None:
        """Until the expression is true, for 20 seconds at most."""
        assert self.becomes(condition), f"never true: {condition}"

    def emulate(self, width: int, look: str) -> None:
        """Show pages in a window of `width` pixels to someone who prefers a "light" or a "dark" look."""
        look_of_media = {"media": "screen", "features": [{"name": "prefers-color-scheme", "value": look}]}
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        for command, settings in (("setDeviceMetricsOverride", screen), ("setEmulatedMedia", look_of_media)):
            self.ask("POST", "/goog/cdp/execute", cmd=f"Emulation.{command}", params=settings)

    def press(self, keys: str) -> None:
        """Press one key after another, each until the page has heard it: a busy browser may lose a key or deliver it late."""
        for key in keys:
            heard = self.run(COUNT_KEYS)
            actions = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
            for _ in range(5):
                self.ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])
                if self.becomes(f"window.keysHeard > {heard}", seconds=10):
                    break
            else:
                raise AssertionError(f"the page never heard {key!r}")

    def log(self) -> list[str]:
        """What the console has said since the last time."""
        return [entry["message"] for entry in self.ask("POST", "/se/log", type="browser")]

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.ask("GET", "/screenshot")))


@contextmanager
def browser(folder: Path, *arguments: str) -> Iterator[Browser]:
    """A browser with its own empty profile in `folder`, where its downloads go too."""
    driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = next(line for line in driver.stdout if "started successfully on port" in line)
        window = Browser(f"http://127.0.0.1:{line.rsplit(' ', 1)[1].strip().rstrip('.')}/session")
        options = {
            "binary": CHROMIUM,
            "args": [*QUIET, f"--user-data-dir={folder / 'profile'}", *arguments],
            "prefs": {"download.default_directory": str(folder), "download.prompt_for_download": False},
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}, "unhandledPromptBehavior": "accept"}
        session = window.ask("POST", "", capabilities={"alwaysMatch": wanted})
        window.base += "/" + session["sessionId"]
        try:
            yield window
        finally:
            window.ask("DELETE", "")
    finally:
        driver.terminate()
        driver.communicate(timeout=30)
