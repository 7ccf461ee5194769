# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, spoken to by the DevTools protocol over a pipe: no port, no other library."""
import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

NAMES = ("chromium-headless-shell", "chromium")
# No account, no updates, no look at the network: the page's server is all that it may talk to.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
]


class Failure(Exception):
    """The browser did not do what was asked, or what was waited for did not come about."""


def program():
    """Path of the browser, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


def wait_until(what, condition, seconds=10.0):
    """The first true value of condition(); Failure when `seconds` pass without one."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


class Browser:
    """One browser process; use it in a `with`, or close() it."""

    def __init__(self, command=()):
        """command: what runs the program, such as the lab's nsenter."""
        self.home = tempfile.mkdtemp(prefix="sluice-browser-")
        theirs_in, self.out = os.pipe()
        self.inward, theirs_out = os.pipe()
        # It reads its descriptor 3 and writes 4: whatever ours are called, they get there by high ones.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]
        flags = [*FLAGS, f"--user-data-dir={self.home}"]
        self.process = subprocess.Popen(
            [*command, program(), *flags],
            pass_fds=(3, 4),
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: (os.dup2(high[0], 3), os.dup2(high[1], 4)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": self.home},
        )
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        self.news = threading.Condition()
        self.answers, self.events, self.number, self.gone = {}, [], 0, False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def read(self):
        pending = b""
        while True:
            chunk = os.read(self.inward, 1 << 16)
            if not chunk:
                break
            *whole, pending = (pending + chunk).split(b"\0")
            with self.news:
                for message in map(json.loads, whole):
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.news.notify_all()
        with self.news:
            self.gone = True
            self.news.notify_all()

    def call(self, method, session=None, **parameters):
        """The result of one command."""
        with self.news:
            self.number += 1
            number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        with self.news:
            if not self.news.wait_for(lambda: number in self.answers or self.gone, timeout=30) or self.gone:
                raise Failure(f"the browser does not answer {method}")
            answer = self.answers.pop(number)
        if "error" in answer:
            raise Failure(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, url, width=1440, height=1000, **media):
        """A page with this address, loaded; see Page.look() for media."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        page.look(width, height, **media)
        page.go(url)
        return page

    def close(self):
        if self.process.poll() is None:
            try:
                self.call("Browser.close")
                self.process.wait(10)
            except (Failure, OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        self.reader.join(10)
        os.close(self.out)
        os.close(self.inward)
        shutil.rmtree(self.home, ignore_errors=True)


class Page:
    """One tab."""

    def __init__(self, browser, session, target):
        self.browser, self.session, self.target = browser, session, target
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def look(self, width, height=1000, scheme="light", motion="reduce", scale=1):
        """Size of the window, colour scheme and wish for less motion."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": scheme},
                {"name": "prefers-reduced-motion", "value": motion},
            ],
        )

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def eval(self, expression):
        """The value of an expression, promises awaited."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise Failure(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, expression, seconds=10.0):
        """The first true value of the expression."""
        return wait_until(expression, lambda: self.eval(expression), seconds)

    def press(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more)

    def happened(self, *methods):
        """What the browser told of this tab, by kind."""
        with self.browser.news:
            return [
                e["params"]
                for e in self.browser.events
                if e.get("sessionId") == self.session and e["method"] in methods
            ]

    def complaints(self):
        """Errors and warnings of the console, exceptions, refusals of the policy."""
        said = [
            e["exceptionDetails"]["text"]
            + " "
            + e["exceptionDetails"].get("exception", {}).get("description", "")
            for e in self.happened("Runtime.exceptionThrown")
        ]
        said += [
            " ".join(str(a.get("value", a.get("description"))) for a in e["args"])
            for e in self.happened("Runtime.consoleAPICalled")
            if e["type"] in ("error", "warning", "assert")
        ]
        said += [
            e["entry"]["text"] + " " + e["entry"].get("url", "")
            for e in self.happened("Log.entryAdded")
            if e["entry"]["level"] in ("error", "warning")
        ]
        return said

    def requests(self):
        return [e["request"] for e in self.happened("Network.requestWillBeSent")]

    def screenshot(self, file, whole=True):
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        pathlib.Path(file).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
