"""Licences, sources and bans of the dependencies, by what `cargo metadata` says of them and deny.toml wants.

A check for where cargo-deny is not installed: it reads the licence that a package names, where cargo-deny also looks into
its licence files. Ends with 1 where something is refused.
"""

import json
import re
import subprocess
import sys
import tomllib


def holds(expression, allowed):
    """Whether an SPDX expression can be met with the allowed licences. AND binds before OR; `/` is an old OR."""
    tokens = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))
    at = 0

    def alternatives():
        nonlocal at
        met = parts()
        while at < len(tokens) and tokens[at] == "OR":
            at += 1
            met = parts() or met
        return met

    def parts():
        nonlocal at
        met = one()
        while at < len(tokens) and tokens[at] == "AND":
            at += 1
            met = one() and met
        return met

    def one():
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "(":
            met = alternatives()
            at += 1
            return met
        if at < len(tokens) and tokens[at] == "WITH":
            token = f"{token} WITH {tokens[at + 1]}"
            at += 2
        return token in allowed or token.split(" WITH ")[0] in allowed

    return alternatives() and at == len(tokens)


def metadata(targets):
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    for target in targets:
        command += ["--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main():
    with open("deny.toml", "rb") as file:
        wanted = tomllib.load(file)
    allowed = set(wanted["licenses"]["allow"])
    denied = {entry["crate"] if isinstance(entry, dict) else entry for entry in wanted["bans"]["deny"]}
    data = metadata(wanted["graph"]["targets"])
    used = {node["id"] for node in data["resolve"]["nodes"]}
    packages = [package for package in data["packages"] if package["id"] in used]
    faults = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["name"] in denied:
            faults.append(f"{name} is banned")
        if not holds(package["license"] or "none", allowed):
            faults.append(f"{name} is under {package['license'] or 'no licence that it names'}")
        source = package["source"]
        if source is not None and not source.startswith("registry+"):
            faults.append(f"{name} comes from {source}")
        if source is None:
            faults += [
                f"{name} takes any version of {dependency['name']}"
                for dependency in package["dependencies"]
                if dependency["req"] == "*" and dependency["source"]
            ]
    # Cargo's own registry is the one that all come from.
    registries = {package["source"] for package in packages if (package["source"] or "").startswith("registry+")}
    if len(registries) > 1:
        faults.append(f"there are several registries: {', '.join(sorted(registries))}")
    for fault in faults:
        print(f"error: {fault}")
    print(f"{len(packages)} packages, {len(faults)} refused")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
