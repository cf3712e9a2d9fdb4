"""browser: Chromium, headless, steered through its own debugging pipe.  It visits nothing but this machine.

    with browser.Chromium(home) as chromium:
        chromium.fetch(url)      what `await fetch()` says: ("whole" or "failed", bytes, words)
        chromium.visit(url)      the same of a page that is shown
        chromium.save(url)       the same of a file that is downloaded

`home` is a page of this machine too, from which it fetches.  A page counts as failed if the browser shows a page of its own instead of what came; what only its console tells counts as whole."""
import json
import os
import subprocess
import tempfile
import threading

LIMIT_S = 15
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--no-first-run", "--no-default-browser-check",
           "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost", "--remote-debugging-pipe")
FETCH = """(async () => {
  let bytes = 0;
  try {
    const reader = (await fetch(%s, {cache: 'no-store'})).body.getReader();
    for (let piece; !(piece = await reader.read()).done; ) bytes += piece.value.length;
    return ['whole', bytes, ''];
  } catch (problem) { return ['failed', bytes, String(problem)]; }
})()"""


class Chromium:
    def __init__(self, home):
        self.home = home
        self.folder = tempfile.TemporaryDirectory(prefix="lastword-test.", ignore_cleanup_errors=True)
        self.news, self.answers, self.events, self.number = threading.Condition(), {}, [], 0
        orders, self.orders = os.pipe()
        told, tells = os.pipe()
        # bash, since descriptors of two digits are beyond sh
        command = 'exec chromium "$@" 3<&%d 4>&%d' % (orders, tells)
        self.child = subprocess.Popen(
            ["bash", "-c", command, "bash", *OPTIONS, "--user-data-dir=" + self.folder.name], pass_fds=(orders, tells),
            env=dict(os.environ, HOME=self.folder.name), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(orders)
        os.close(tells)
        self.reader = threading.Thread(target=self._listen, args=(told,), daemon=True)
        self.reader.start()
        self.version = self.call("Browser.getVersion")["product"]
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.call(domain + ".enable", self.session)
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=self.folder.name, eventsEnabled=True)

    def _listen(self, fd):
        rest = b""
        while True:
            piece = os.read(fd, 65536)
            *messages, rest = (rest + piece).split(b"\0")
            with self.news:
                for message in map(json.loads, messages):
                    if "id" in message:
                        self.answers[message["id"]] = message
                    else:
                        self.events.append(message)
                self.news.notify_all()
            if not piece:
                return

    def _await(self, look, what):
        with self.news:
            found = self.news.wait_for(look, LIMIT_S)
        if not found:
            raise AssertionError("chromium did not tell within %d s: %s" % (LIMIT_S, what))
        return found

    def call(self, method, session=None, **params):
        self.number += 1
        order = {"id": self.number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        answer = self._await(lambda: self.answers.pop(order["id"], None), method)
        if "error" in answer:
            raise AssertionError("chromium: %s: %s" % (method, answer["error"]))
        return answer["result"]

    def event(self, *methods, **wanted):
        """The first event of these names since the last forget() that has these parameters."""
        def look():
            return next((e for e in self.events if e["method"] in methods and
                         all(e["params"].get(name) == value for name, value in wanted.items())), None)
        return self._await(look, " or ".join(methods))

    def forget(self):
        with self.news:
            self.events.clear()

    def evaluate(self, text):
        return self.call("Runtime.evaluate", self.session, expression=text, awaitPromise=True, returnByValue=True)["result"].get("value")

    def leave(self, url="about:blank"):
        self.forget()
        self.call("Page.navigate", self.session, url=url)
        self.event("Page.loadEventFired")
        self.forget()

    def fetch(self, url):
        if self.evaluate("location.href") != self.home:
            self.leave(self.home)
        return tuple(self.evaluate(FETCH % json.dumps(url)))

    def visit(self, url):
        self.leave()
        self.call("Page.navigate", self.session, url=url)
        document = self.event("Network.requestWillBeSent", type="Document")["params"]["requestId"]
        end = self.event("Network.loadingFinished", "Network.loadingFailed", requestId=document)
        self.event("Page.frameStoppedLoading")
        shown = self.evaluate("[location.protocol, document.body.innerText.length]")
        words = end["params"].get("errorText", "")
        if shown[0] == "chrome-error:":
            return "failed", 0, words
        return "whole", shown[1], words and "only in the console: " + words

    def save(self, url):
        self.leave()
        self.call("Page.navigate", self.session, url=url)
        guid = self.event("Browser.downloadWillBegin")["params"]["guid"]
        def over():
            return next((e["params"] for e in self.events if e["method"] == "Browser.downloadProgress" and
                         e["params"]["guid"] == guid and e["params"]["state"] != "inProgress"), None)
        end = self._await(over, "the end of a download")
        if end["state"] == "completed":
            return "whole", int(end["receivedBytes"]), ""
        return "failed", int(end["receivedBytes"]), end["state"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.child.wait(timeout=5)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.child.kill()
            self.child.wait()
        os.close(self.orders)
        self.folder.cleanup()
