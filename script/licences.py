"""Lists the licences of packages, and fails on one that is not allowed.

    cargo tree --prefix none --format '{l}|{p}' | licences.py DENY_TOML
"""

import re
import sys
import tomllib


def is_allowed(expression, allowed):
    """Whether an SPDX expression can be met: one side of each OR, both sides of each AND."""
    tokens = re.findall(r"[()/]|[^\s()/]+", expression)

    def alternatives():
        met = requirements()
        # A slash is how it was once written.
        while tokens and tokens[0] in ("OR", "/"):
            tokens.pop(0)
            met = requirements() or met
        return met

    def requirements():
        met = single()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = single() and met
        return met

    def single():
        token = tokens.pop(0)
        if token == "(":
            met = alternatives()
            tokens.pop(0)
            return met
        if tokens and tokens[0] == "WITH":
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in allowed

    return bool(tokens) and alternatives()


def main(deny):
    with open(deny, "rb") as file:
        allowed = set(tomllib.load(file)["licenses"]["allow"])
    by_licence = {}
    for line in sys.stdin:
        licence, _, package = line.strip().removesuffix(" (*)").partition("|")
        if package:
            by_licence.setdefault(licence, set()).add(package.split()[0])
    if not by_licence:
        sys.exit("licences: no packages were given")
    refused = [licence for licence in by_licence if not is_allowed(licence, allowed)]
    for licence, names in sorted(by_licence.items(), key=lambda item: -len(item[1])):
        shown = f": {', '.join(sorted(names))}" if len(names) < 6 or licence in refused else ""
        print(f"{len(names):4} {licence or 'none'}{shown}")
    if refused:
        sys.exit(f"licences: not allowed by {deny}: {', '.join(name or 'none' for name in refused)}")


main(sys.argv[1])
