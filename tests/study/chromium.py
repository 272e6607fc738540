"""A headless Chromium that tests talk to through two pipes, by the DevTools protocol."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from itn.study.pdf import find_browser


def find_chromium() -> str:
    """Return the browser; skip the test without one, or fail where nothing may be missing."""
    found = find_browser()
    if found is None:
        if os.environ.get("ITN_REQUIRE_BOOK"):
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    return found


class Browser:
    """One page of a browser; what it asked for and what it said are kept."""

    def __init__(self, folder: Path) -> None:
        commands, self._commands = os.pipe()
        answers, told = os.pipe()
        os.set_inheritable(commands, True)
        os.set_inheritable(told, True)
        # Chromium reads commands from descriptor 3 and answers to 4; not every sh can move others.
        start = f'exec 3<&{commands} 4>&{told}; exec "$0" "$@"'
        self.process = subprocess.Popen(
            [
                "bash", "-c", start, find_chromium(), "--headless", "--no-sandbox", "--disable-gpu",
                "--no-first-run", "--disable-background-networking", "--disable-sync",
                "--disable-component-update", "--remote-debugging-pipe",
                f"--user-data-dir={folder}", "about:blank",
            ],
            pass_fds=(commands, told), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(commands)
        os.close(told)
        self._answers = os.fdopen(answers, "rb")
        self._number, self._session = 0, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Send one command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file and wait until it is loaded."""
        self.send("Page.navigate", url=path.as_uri() + fragment)
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> Any:
        """Return what a script says, or what becomes of its promise."""
        answer = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def close(self) -> None:
        """End the browser."""
        self.send("Browser.close")
        self.process.wait(20)
        self._answers.close()
        os.close(self._commands)

    def _read(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser is gone")
            text += byte
        message: dict[str, Any] = json.loads(text)
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        if method == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        if method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.complaints.append(str(parameters["args"]))
        if method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.complaints.append(parameters["entry"]["text"])
        return message
