#!/usr/bin/env python3
"""The book: writes its sources, or checks the links of its pages.

    ci/book.py sources PROGRAM FOLDER   docs/*.md, and a page for each statement and each scenario, as mdBook needs them
    ci/book.py check FOLDER             exits 1 if a link between the pages in FOLDER leads nowhere

The content of the pages comes from the program: `coverage --json`, `list --json` and `broker --list-faults`; the scenarios
are the files under `scenarios`. Only the standard library is needed.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = {"v3.1": "MQTT 3.1", "v3.1.1": "MQTT 3.1.1", "v5": "MQTT 5.0"}
SEEN = {
    "wire": "in the bytes",
    "time": "in the timing",
    "restart": "across a restart",
    "peer": "not in an exchange with a server",
    "internal": "not in an exchange",
}


def output(*command):
    """The output of a command; exits if the command fails."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def file_name(text):
    """The text as a file name: `§3.1/client-id` becomes `3.1-client-id`."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")


class Book:
    """The sources of the book in one folder, and the lines of its SUMMARY.md."""

    def __init__(self, program, folder):
        self.folder = folder
        coverage = json.loads(output(program, "coverage", "--json"))
        self.statements = {f"{s['version']}:{s['id']}": s for s in coverage["statements"]}
        self.cases = json.loads(output(program, "list", "--json"))["cases"]
        faults = output(program, "broker", "--list-faults").splitlines()
        self.faults = dict(line.split(maxsplit=1) for line in faults)
        self.scenarios = defaultdict(list)
        for case in self.cases:
            self.scenarios[re.split(r"[\[@]", case["id"], maxsplit=1)[0]].append(case)

    def write(self, path, text):
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def build(self):
        summary = ["# Summary", "", "[mqttspec](README.md)", ""]
        summary += self.pages()
        summary += ["", "# Statements", ""] + self.statement_pages()
        summary += ["", "# Scenarios", ""] + self.scenario_pages()
        self.write("SUMMARY.md", "\n".join(summary) + "\n")

    def pages(self):
        """Copies docs and the files that they link to; returns their chapters, in the order of the index."""
        for source in sorted((ROOT / "docs").glob("*.md")):
            self.write(source.name, self.with_own_links(source))
        for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
            self.write(name, self.with_own_links(ROOT / name))
        shutil.copytree(ROOT / "docs/images", self.folder / "images", dirs_exist_ok=True)
        chapters = []
        for line in (ROOT / "docs/README.md").read_text().splitlines():
            if line.startswith("## "):
                chapters += ["", f"# {line[3:]}", ""]
            elif found := re.match(r"(?:\d+\.|-) \[([^\]]+)\]\(([^)]+\.md)\)", line):
                chapters.append(f"- [{found[1]}]({found[2]})")
        return chapters + ["", "# Project", "", "- [Contributing](CONTRIBUTING.md)", "- [Changes](CHANGELOG.md)"]

    def with_own_links(self, source):
        """The text of a page with links that hold in the book.

        A file outside of docs is copied into `files`. A folder, and the README of the repository, are not in the book.
        """

        def link(found):
            text, target = found[1], found[2]
            path = target.split("#")[0]
            if ":" in target or not path:
                return found[0]
            real = (source.parent / path).resolve()
            if real.parent == ROOT / "docs" and real.suffix == ".md":
                return f"[{text}]({target.removeprefix('docs/')})"
            if real in (ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
                return f"[{text}]({real.name})"
            if real.is_dir() or real == ROOT / "README.md":
                return text
            if real.parent.name == "images":
                return found[0]
            copy = Path("files") / real.relative_to(ROOT)
            (self.folder / copy).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(real, self.folder / copy)
            return f"[{text}]({copy})"

        parts = re.split(r"(?ms)(^```.*?^```$)", source.read_text())
        parts[::2] = [re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", link, prose) for prose in parts[::2]]
        return "".join(parts)

    def statement_link(self, token, base):
        statement = self.statements.get(token)
        path = f"{base}statements/{statement['version']}/{file_name(statement['id'])}.md"
        return f"[{token}]({path})"

    def statement_pages(self):
        chapters = []
        for version, name in VERSIONS.items():
            index = f"statements/{version}/README.md"
            chapters.append(f"- [{name}]({index})")
            rows = []
            for token, statement in self.statements.items():
                if statement["version"] == version:
                    path = f"statements/{version}/{file_name(statement['id'])}.md"
                    chapters.append(f"  - [{statement['id']}]({path})")
                    self.write(path, self.statement_page(token, statement))
                    rows.append(
                        f"| [{statement['id']}]({Path(path).name}) | {statement['level']} | {statement['says']} "
                        f"| {len(statement['cases'])} | {statement['caught']} |"
                    )
            head = [f"# Statements of {name}", "", "| statement | | says | cases | caught |", "| --- | --- | --- | --- | --- |"]
            self.write(index, "\n".join(head + rows) + "\n")
        return chapters

    def statement_page(self, token, statement):
        binds = {"both": "client and server"}.get(statement["binds"], statement["binds"])
        lines = [
            f"# {token}",
            "",
            f"{statement['says']}",
            "",
            "| | |",
            "| --- | --- |",
            f"| level | {statement['level']} |",
            f"| section | [{statement['section']}]({statement['link']}), {statement['title']} |",
            f"| binds | {binds} |",
            f"| a violation shows | {SEEN[statement['observe']]} |",
            f"| caught | {statement['caught']}{': ' + statement['reason'] if statement['reason'] else ''} |",
            "",
            "## How a violation shows",
            "",
            statement["how"],
            "",
        ]
        if statement["enforced_by"]:
            links = ", ".join(self.statement_link(other, "../../") for other in statement["enforced_by"])
            lines += [f"The server must react because of {links}.", ""]
        if statement["faults"]:
            lines += ["## Faults", "", "| fault | the broker |", "| --- | --- |"]
            lines += [f"| `{fault}` | {self.faults.get(fault, '')} |" for fault in statement["faults"]]
            lines.append("")
        if statement["cases"]:
            lines += ["## Cases that prove it", ""]
            counts = defaultdict(int)
            for case in statement["cases"]:
                counts[re.split(r"[\[@]", case, maxsplit=1)[0]] += 1
            for scenario, count in counts.items():
                lines.append(f"- [{scenario}](../../scenarios/{scenario}.md): {count} case{'s' if count > 1 else ''}")
        return "\n".join(lines) + "\n"

    def scenario_pages(self):
        chapters = []
        folders = defaultdict(list)
        for scenario in self.scenarios:
            folders[scenario.rsplit("/", 1)[0]].append(scenario)
        for folder, scenarios in sorted(folders.items()):
            index = f"scenarios/{folder}/README.md"
            chapters.append(f"- [{folder}]({index})")
            rows = [f"# Scenarios: {folder}", "", "| scenario | title | cases |", "| --- | --- | --- |"]
            for scenario in sorted(scenarios):
                source = (ROOT / f"scenarios/{scenario}.yaml").read_text()
                title = re.search(r"(?m)^title: *(.*)$", source)[1].strip("'\"")
                chapters.append(f"  - [{scenario.rsplit('/', 1)[1]}](scenarios/{scenario}.md)")
                self.write(f"scenarios/{scenario}.md", self.scenario_page(scenario, title, source))
                rows.append(f"| [{scenario}]({scenario.rsplit('/', 1)[1]}.md) | {title} | {len(self.scenarios[scenario])} |")
            self.write(index, "\n".join(rows) + "\n")
        return chapters

    def scenario_page(self, scenario, title, source):
        cases = self.scenarios[scenario]
        up = "../" * (scenario.count("/") + 1)
        proved = sorted({token for case in cases for token in case["statements"]})
        lines = [f"# {scenario}", "", title, "", "````yaml", source.rstrip("\n"), "````", "", "## Statements", ""]
        lines += [f"- {self.statement_link(token, up)}: {self.statements[token]['says']}" for token in proved]
        lines += ["", "## Cases", ""] + [f"- `{case['id']}`" for case in cases]
        return "\n".join(lines) + "\n"


class Page(HTMLParser):
    """The anchors of a page, and where its links lead."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.ids.add(value)
            elif name in ("href", "src") and value and tag != "link":
                self.links.append(value)


def check(folder):
    """The links that lead nowhere, and the number of all links."""
    pages = {path.resolve(): Page(path.read_text()) for path in sorted(folder.rglob("*.html"))}
    dead, count = [], 0
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            # The page that a server shows for a wrong address has links of another kind.
            if parts.scheme or parts.netloc or path.name == "404.html":
                continue
            count += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].ids):
                dead.append(f"{path.relative_to(folder.resolve())}: {link}")
    return dead, count, len(pages)


def main(arguments):
    match arguments:
        case ["sources", program, folder]:
            Book(program, Path(folder)).build()
        case ["check", folder]:
            dead, count, pages = check(Path(folder))
            for line in dead:
                print(f"dead link in {line}")
            print(f"{pages} pages, {count} links, {len(dead)} dead")
            return 1 if dead or not pages else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
