"""Formats JSON: as YAML, or with ?to=json indented, or with ?to=line on one line."""

import json
import re

PLAIN = re.compile(r"[A-Za-z_./][-\w./ ]*(?<! )\Z")
SPECIAL = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ".inf", ".nan"}


def scalar(value):
    if isinstance(value, str) and PLAIN.match(value) and value.lower() not in SPECIAL:
        return value
    return json.dumps(value, ensure_ascii=False)


def lines(value, indent=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from entry(indent + scalar(key) + ":", inner, indent)
    elif isinstance(value, list) and value:
        for inner in value:
            nested = list(lines(inner, indent + "  "))
            yield indent + "- " + nested[0].lstrip()
            yield from nested[1:]
    else:
        yield indent + scalar(value)


def entry(head, inner, indent):
    if isinstance(inner, (dict, list)) and inner:
        yield head
        yield from lines(inner, indent + "  ")
    else:
        yield head + " " + scalar(inner)


def handle(event, context):
    try:
        value = json.loads(event.text)
    except (ValueError, RecursionError) as error:
        return 400, {}, "not JSON: %s\n" % error
    to = event.query.get("to", "yaml")
    if to == "json":
        return 200, {"Content-Type": "application/json"}, json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    if to == "line":
        return 200, {"Content-Type": "application/json"}, json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n"
    return 200, {"Content-Type": "application/yaml"}, "\n".join(lines(value)) + "\n"
