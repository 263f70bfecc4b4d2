"""A headless Chromium, driven over its DevTools protocol: open a page, ask it something, look at it."""

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path

from waiting import HANG, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# All that stands on the page, inside the web components' own trees, too.
TEXT = """(() => {
  const said = [];
  const walk = node => {
    if (node.nodeType === Node.TEXT_NODE) { said.push(node.textContent); return; }
    if (['SCRIPT', 'STYLE', 'TEMPLATE'].includes(node.nodeName)) return;
    if (node.shadowRoot) node.shadowRoot.childNodes.forEach(walk);
    if (node.nodeName === 'SLOT') node.assignedNodes().forEach(walk);
    node.childNodes.forEach(walk);
  };
  walk(document.body);
  return said.join(' ').replace(/\\s+/g, ' ');
})()"""
ALL = """(selector => {
  const found = [];
  const walk = root => {
    found.push(...root.querySelectorAll(selector));
    root.querySelectorAll('*').forEach(e => e.shadowRoot && walk(e.shadowRoot));
  };
  walk(document);
  return found;
})"""


class Browser:
    """One window. Every wait has its end, and `close` ends what was started, by its own process."""

    def __init__(self, folder: Path):
        self.loop = asyncio.new_event_loop()
        line = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        line += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.asked = 0
        try:
            port = until(lambda: self._port(folder), self.process, "chromium did not start")
            self.loop.run_until_complete(self._connect(port))
        except BaseException:
            self.close()
            raise

    def _port(self, folder):
        told = folder / "DevToolsActivePort"
        return told.read_text().split()[0] if told.is_file() and told.read_text().strip() else None

    async def _connect(self, port):
        import aiohttp

        self.session = aiohttp.ClientSession()
        async with self.session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = await answer.json()
        target = next(page for page in pages if page["type"] == "page")
        self.socket = await self.session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0)

    def ask(self, method, **given):
        """A DevTools command's result."""
        return self.loop.run_until_complete(asyncio.wait_for(self._ask(method, given), HANG))

    async def _ask(self, method, given):
        self.asked += 1
        await self.socket.send_str(json.dumps({"id": self.asked, "method": method, "params": given}))
        while True:
            answer = json.loads((await self.socket.receive()).data)
            if answer.get("id") == self.asked:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url, width=1400, height=1000):
        """Go to a page, in a window of this size."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Page.navigate", url=url)
        until(lambda: self.evaluate("document.readyState") == "complete", self.process, f"{url} did not load")

    def evaluate(self, script):
        """What JavaScript says."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def text(self):
        """All that can be read, shadow trees included."""
        return self.evaluate(TEXT)

    def until(self, script, why=""):
        """Wait until JavaScript says yes."""
        return until(lambda: self.evaluate(script), self.process, lambda: f"{why or script}\n{self.text()[:3000]}")

    def picture(self, path, whole=False):
        """A screenshot."""
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """End it."""
        if hasattr(self, "session"):
            self.loop.run_until_complete(self.session.close())
        ended(self.process)
        self.loop.close()


def ended(process):
    """Ask a process of ours to end; then end it."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
