"""Drives the page in a headless browser. Called by check.sh: check.py PROGRAM [PAGE...]."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

PROGRAM = Path(sys.argv[1]).resolve()
PAGES = [Path(page).resolve() for page in sys.argv[2:]]
BROWSER = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SHOTS = os.environ.get("SHOTS")
# The limits of a page with many brokers: its size in bytes, and the seconds until it shows its table.
LARGEST = 15 * 1000 * 1000
SLOWEST = 2.0

EVIL = "</script><script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"
SCENARIO = f"""format: 1
title: "Text stays text: {EVIL.replace('"', "'")}"
versions: [v5]
proves: [MQTT-3.3.1-4]
clients: {{ sub: {{ subscribe: {{ $ns/#: 0 }} }}, pub: {{}} }}
steps:
  - pub -> PUBLISH: {{ topic: '$ns/{EVIL.replace("'", "''")}', payload: '{EVIL.replace("'", "''")}' }}
  - sub <- PUBLISH: {{ topic: another, payload: one }}
"""
NEVER = """format: 1
title: A message that was not sent is delivered
versions: [v5]
proves: [MQTT-3.3.1-4]
clients: { sub: { subscribe: { $ns/a: 0 } }, pub: { subscribe: { $ns/b: 0 } } }
steps:
  - pub -> PUBLISH: { topic: $ns/b, payload: sent }
  - sub <- PUBLISH: { topic: $ns/a, payload: never }
"""


def mqttspec(folder, *arguments, code):
    done = subprocess.run([PROGRAM, *arguments], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"


class Browser:
    """Opens pages, and records errors and any request beyond the page itself."""

    def __init__(self, playwright):
        self.browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        self.wrong = []

    def open(self, file, width=1360, height=900, hash="", **more):
        context = self.browser.new_context(viewport={"width": width, "height": height}, **more)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.wrong.append(f"{file.name}: {error}"))
        page.on("console", lambda m: m.type == "error" and self.wrong.append(f"{file.name}: {m.text}"))
        page.on("request", lambda r: r.url.startswith("file:") or self.wrong.append(f"{file.name} asks for {r.url}"))
        page.on("dialog", lambda dialog: self.wrong.append(f"{file.name}: {dialog.message}"))
        # The time at which the table appeared, by the page's clock, which starts with the navigation.
        page.add_init_script("""
            new MutationObserver((_, observer) => {
              if (!document.querySelector("#table .group")) return;
              observer.disconnect();
              requestAnimationFrame(() => { window.opened = performance.now(); });
            }).observe(document, { childList: true, subtree: true });
        """)
        page.goto(file.as_uri() + hash)
        # Not wait_for_function: it polls with eval, which the page's policy forbids.
        deadline = time.monotonic() + 30
        while not page.evaluate("window.opened > 0"):
            assert time.monotonic() < deadline, f"{file} does not open"
            page.wait_for_timeout(10)
        return page

    def shot(self, page, name):
        if SHOTS:
            page.wait_for_timeout(250)
            page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def check(name, test, *arguments):
    began = time.time()
    test(*arguments)
    print(f"{name}: ok in {time.time() - began:.1f} s", flush=True)


def filters(browser, file):
    page = browser.open(file)
    count = page.locator("#count")
    everything = count.inner_text()
    assert int(everything.split()[0]) > 50, everything
    expect(page.locator("#summary tbody tr")).to_have_count(2)
    # Groups are folded at first, and open with a filter.
    assert page.locator("#table .rows").count() == 0
    page.fill("#text", "dup before")
    expect(count).to_have_text("2 cases")
    # One row, with a cell for each version at each broker.
    expect(page.locator("#table .rows [role=row]")).to_have_count(1)
    expect(page.locator("#table .rows button.c")).to_have_count(4)
    page.fill("#text", "no such words")
    expect(page.locator("#table .empty")).to_be_visible()
    page.click("#reset")
    expect(count).to_have_text(everything)
    page.check("#differ")
    differing = page.locator("#table .rows [role=row]")
    expect(differing.first).to_be_visible()
    for row in differing.all():
        letters = [[cell.inner_text() for cell in broker.locator(".c").all()] for broker in row.locator(".parts").all()]
        assert letters[0] != letters[1], letters
    page.uncheck("#differ")
    page.locator("#verdicts button", has_text="F").click()
    expect(page.locator("#table .rows button.fail").first).to_be_visible()
    failing = count.inner_text()
    page.select_option("#broker", label="reference 0.1.0")
    expect(page.locator("#table .empty")).to_be_visible()
    page.click("#reset")
    page.select_option("#version", "v5")
    expect(count).not_to_have_text(everything)
    page.select_option("#version", "")
    page.fill("#statement", "v3.1.1:MQTT-4.3.3-2")
    expect(count).not_to_have_text(everything)
    # The address encodes the filter, and restores it.
    again = browser.open(file, hash=page.evaluate("location.hash"))
    expect(again.locator("#count")).to_have_text(count.inner_text())
    expect(again.locator("#statement")).to_have_value("v3.1.1:MQTT-4.3.3-2")
    page.click("#reset")
    for rows in ["section", "statements", "causes", "topic"]:
        page.select_option("#rows", rows)
        page.click("#expand")
        expect(page.locator("#table .rows [role=row]").first).to_be_visible()
        page.click("#expand")
        assert page.locator("#table .rows").count() == 0
    assert failing != everything


def reading(browser, file):
    page = browser.open(file)
    page.fill("#text", "qos2/dup-before-pubrel@v3.1.1")
    page.locator("#table .rows button.fail").click()
    dialog = page.locator("#detail")
    expect(dialog).to_be_visible()
    expect(dialog.locator(".bar .badge")).to_have_text("F fail")
    expect(dialog.locator(".statement").first).to_contain_text("v3.1.1:MQTT-4.3.3-2")
    # The ladder: lanes, packets in order, and a mark on the failing one.
    assert [who.text_content() for who in dialog.locator(".ladder .who").all()] == ["pubpub", "brokerbroker", "subsub"]
    arrows = [name.text_content() for name in dialog.locator(".ladder .event .name").all()]
    script = ["PUBLISH", "PUBREC", "PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"]
    assert all(name in arrows for name in script), arrows
    expect(dialog.locator(".ladder .event.bad .name")).to_have_text("PUBLISH")
    expect(dialog.locator(".ladder .verdict").first).to_contain_text("sub <- nothing")
    title = dialog.locator(".ladder .event.bad title").text_content()
    assert "sub receives PUBLISH" in title and " 2f 64 75 70 00" in title, title
    # Its bytes and fields are below the ladder. Another packet is shown when it is chosen.
    expect(dialog.locator(".packet")).to_contain_text("sub receives PUBLISH")
    expect(dialog.locator(".packet .hex .ascii").first).to_contain_text("/dup")
    dialog.locator(".ladder .event", has_text="PUBCOMP").first.click()
    expect(dialog.locator(".packet b")).to_have_text("pub receives PUBCOMP")
    expect(dialog.locator(".packet .hex .bytes")).to_have_text("70 02 00 07")
    expect(dialog.locator("pre.script .now")).to_contain_text("pub <- PUBCOMP")
    expect(dialog.locator("pre.script .at")).to_contain_text("sub <- nothing")
    shown = dialog.locator(".ladder .event").count()
    dialog.get_by_label("with fences and clean-up").check()
    assert dialog.locator(".ladder .event").count() > shown
    dialog.get_by_text("as a table").click()
    expect(dialog.locator(".events tbody tr").first).to_be_visible()
    assert dialog.locator(".events tbody tr").count() >= shown
    expect(dialog.locator(".command code")).to_contain_text("mqttspec run --fault v3.1.1:MQTT-4.3.3-2 -e qos2/dup-before-pubrel@v3.1.1 --trace always")
    browser.shot(page, "exchange")
    # The address opens the same result.
    again = browser.open(file, hash=page.evaluate("location.hash"))
    expect(again.locator("#detail .id")).to_have_text("qos2/dup-before-pubrel@v3.1.1")
    dialog.get_by_label("Close", exact=True).click()
    expect(dialog).to_be_hidden()
    # The browser's Back closes an exchange, and Forward opens it again. The filter stays.
    page.locator("#table .rows button.fail").click()
    expect(dialog).to_be_visible()
    page.go_back()
    expect(dialog).to_be_hidden()
    expect(page.locator("#text")).to_have_value("qos2/dup-before-pubrel@v3.1.1")
    page.go_forward()
    expect(dialog).to_be_visible()
    # The other version of the row is a button away.
    page.go_back()
    page.fill("#text", "qos2/dup-before-pubrel")
    expect(page.locator("#count")).to_have_text("2 cases")
    page.locator("#table .rows button.fail").first.click()
    dialog.locator(".versions button", has_text="5").click()
    expect(dialog.locator(".bar .id")).to_have_text("qos2/dup-before-pubrel@v5")


def keyboard(browser, file):
    page = browser.open(file)
    page.keyboard.press("/")
    page.keyboard.type("qos2/dup-before-pubrel")
    # A prefix of the text matches the same two cases, so wait until the table is updated for the whole text.
    expect(page).to_have_url(re.compile("#text=qos2%2Fdup-before-pubrel$"))
    expect(page.locator("#count")).to_have_text("2 cases")
    page.locator("#table").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".fold")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#table .rows")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#table .rows [role=row]").first).to_be_visible()
    page.locator("#table .rows button.c").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.locator("#detail")
    expect(dialog).to_be_visible()
    first = dialog.locator(".id").inner_text()
    at = dialog.locator('[role=tab][aria-selected="true"]')
    before = at.inner_text()
    page.keyboard.press("ArrowLeft")
    assert at.inner_text() != before
    page.keyboard.press("p")
    assert dialog.locator(".id").inner_text() != first
    page.keyboard.press("n")
    assert dialog.locator(".id").inner_text() == first
    page.keyboard.press("ArrowDown")
    chosen = dialog.locator(".ladder .event.selected")
    expect(chosen).to_have_count(1)
    label = chosen.get_attribute("aria-label")
    page.keyboard.press("ArrowUp")
    assert chosen.get_attribute("aria-label") != label
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(re.compile("#text=qos2%2Fdup-before-pubrel$"))


def untrusted(browser, file):
    page = browser.open(file)
    page.click("#expand")
    page.locator("#table .rows button.fail").first.click()
    expect(page.locator("#detail h2")).to_contain_text("<script>")
    expect(page.locator("#detail .packet")).to_contain_text("onerror")
    page.get_by_text("as a table").first.click()
    page.wait_for_timeout(200)
    assert "broken" not in page.title(), page.title()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2


def missing(browser, file):
    page = browser.open(file)
    page.click("#expand")
    page.locator("#table .rows button.fail").first.click()
    rows = "rows => rows.map((row) => row.classList.contains('missing') ? 'never' : row.querySelector('.name').textContent)"
    order = page.eval_on_selector_all("#detail .ladder .event:has(.name), #detail .ladder .missing", rows)
    # The row is at the time at which the step gave up: behind what came while it waited.
    assert order[-3:] == ["PUBLISH", "PUBLISH", "never"], order


def narrow(browser, file):
    page = browser.open(file, 390, 844, device_scale_factor=2, is_mobile=True, has_touch=True)
    wide = "document.documentElement.scrollWidth - innerWidth"
    assert page.evaluate(wide) <= 0, page.evaluate(wide)
    page.check("#differ")
    page.locator("#table .rows button.fail").first.tap()
    expect(page.locator("#detail")).to_be_visible()
    assert page.evaluate(wide) <= 0, page.evaluate(wide)
    browser.shot(page, "phone")


def dark(browser, file):
    ground = "getComputedStyle(document.body).backgroundColor"
    page = browser.open(file, color_scheme="dark")
    assert page.evaluate(ground) == "rgb(18, 22, 28)", page.evaluate(ground)
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    page.click("#theme")
    assert page.evaluate(ground) == "rgb(18, 22, 28)"


def paper(browser, file):
    page = browser.open(file)
    page.click("#expand")
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF") and len(pdf) > 20_000, len(pdf)
    # The print has every case, not only those near the window.
    assert page.locator("#table .rows .parts:nth-child(2) button.c").count() == int(page.locator("#count").inner_text().split()[0])


def size(browser, file):
    bytes_ = file.stat().st_size
    # The best of three, because other load on the machine is no property of the page.
    pages = [browser.open(file) for _ in range(3)]
    opened, page = min(((page.evaluate("opened") / 1000, page) for page in pages), key=lambda one: one[0])
    page.check("#differ")
    browser.shot(page, file.stem)
    # Many rows stay folded, few are open.
    if page.locator("#expand").inner_text() == "Expand all":
        page.click("#expand")
    expect(page.locator("#table .rows [role=row]").first).to_be_visible()
    print(f"{file.name}: {bytes_ / 1e6:.1f} MB, open after {opened:.2f} s")
    assert bytes_ < LARGEST, bytes_
    assert opened < SLOWEST, opened


def main():
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        wrong = ["--fault", "v3.1.1:MQTT-4.3.3-2"]
        mqttspec(folder, "run", "-e", "qos2/", *wrong, "--json", "wrong.json", code=1)
        mqttspec(folder, "matrix", "reference", "wrong.json", "-e", "qos2/", "--html", "two.html", code=1)
        (folder / "own").mkdir()
        (folder / "own" / "evil.yaml").write_text(SCENARIO)
        mqttspec(folder, "run", "--scenarios", "own", "--html", "evil.html", code=1)
        (folder / "never").mkdir()
        (folder / "never" / "never.yaml").write_text(NEVER)
        wait = ["--response-timeout", "300ms", "--second-look", "0s"]
        mqttspec(folder, "run", "--scenarios", "never", *wait, "--html", "never.html", code=1)
        browser = Browser(playwright)
        two = folder / "two.html"
        check("filters", filters, browser, two)
        check("reading", reading, browser, two)
        check("keyboard", keyboard, browser, two)
        check("untrusted text", untrusted, browser, folder / "evil.html")
        check("missing packet", missing, browser, folder / "never.html")
        check("phone", narrow, browser, two)
        check("dark", dark, browser, two)
        check("print", paper, browser, two)
        for page in [two, *PAGES]:
            check(page.name, size, browser, page)
        assert not browser.wrong, "\n".join(browser.wrong)
    print("the page passes all checks")


main()
