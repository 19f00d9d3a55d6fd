"""A headless Chromium, one for all tests of this folder; without it, or without selenium, they are skipped."""

import json
import shutil
import tempfile
import threading

import pytest

SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1000",
)  # fmt: skip


@pytest.fixture(scope="session")
def chromium():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is absent: pip install retrograd[browser]")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("there is no Chromium with its chromedriver on the path")
    with tempfile.TemporaryDirectory() as folder:
        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for switch in (*SWITCHES, f"--user-data-dir={folder}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        yield found
        found.quit()


class Reader:
    """What a reader does with the page, and sees."""

    def __init__(self, chromium, address):
        self.chromium = chromium
        chromium.get_log("browser")
        chromium.get_log("performance")
        chromium.get(address)

    def run(self, script, *arguments):
        return self.chromium.execute_script(script, *arguments)

    def waited(self, script):
        """What a script that returns a promise comes to."""
        return self.chromium.execute_async_script(
            "const done = arguments[arguments.length - 1]; (async () => { "
            + script
            + " })().then(done, (e) => done(String(e)));"
        )

    def press(self, id, times=1):
        self.run("for (let i = 0; i < arguments[1]; i++) document.getElementById(arguments[0]).click()", id, times)

    def settle(self):
        """Until the live page has its answers."""
        self.waited(
            "if (retrograd.live) { let last; do { last = retrograd.live.queue; await last; } while (last !== retrograd.live.queue); }"
        )

    def text(self, id):
        return self.run("return document.getElementById(arguments[0]).textContent", id)

    def key(self, name):
        from selenium.webdriver.common.by import By

        self.chromium.find_element(By.TAG_NAME, "body").send_keys(name)

    def write(self, field, text):
        """Write into the field of a weight, an input or a target, and press Enter."""
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        found = self.chromium.find_element(By.CSS_SELECTOR, f'[data-field="{field}"]')
        found.send_keys(Keys.CONTROL, "a")
        found.send_keys(text, Keys.ENTER)
        self.settle()

    def tables(self):
        """Every figure of the tables by its label: (shown, exact)."""
        script = """
            const found = {};
            for (const cell of document.querySelectorAll('#tables [data-figure]'))
                found[retrograd.view.figures[cell.dataset.figure][0]] = [cell.textContent, cell.title];
            return found;"""
        return self.run(script)

    def complaints(self):
        """What the console said."""
        return self.chromium.get_log("browser")

    def requests(self):
        """The addresses that the page asked for."""
        messages = [json.loads(e["message"])["message"] for e in self.chromium.get_log("performance")]
        return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens the page of a network from a file."""
    from retrograd.explain.page import page

    def open_page(network, **options):
        file = tmp_path / "page.html"
        file.write_text(page(network, **options), encoding="utf-8")
        return Reader(chromium, file.as_uri())

    return open_page


@pytest.fixture
def played(chromium):
    """Opens the live page of a network."""
    from retrograd.explain.page import PageServer, Player

    servers = []

    def play(network):
        server = PageServer(Player(network))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return Reader(chromium, server.url)

    yield play
    chromium.get("about:blank")
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
