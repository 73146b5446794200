"""Turns Markdown into HTML: headings, lists, quotes, code, rules, paragraphs, and what is within a line."""

import html
import re

INLINE = [
    (re.compile(r"!\[([^\]]*)\]\((https?://[^\s)]+)\)"), r'<img alt="\1" src="\2">'),
    (re.compile(r"\[([^\]]+)\]\(((?:https?://|/|#|mailto:)[^\s)]*)\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"(?<![\w*])[*_](?!\s)(.+?)(?<!\s)[*_](?![\w*])"), r"<em>\1</em>"),
    (re.compile(r"~~(.+?)~~"), r"<del>\1</del>"),
]


def inline(text):
    parts = re.split(r"`([^`]+)`", text)  # what lies between backticks stays as it is
    for i, part in enumerate(parts):
        part = html.escape(part)
        if i % 2:
            parts[i] = "<code>%s</code>" % part
            continue
        for pattern, made in INLINE:
            part = pattern.sub(made, part)
        parts[i] = part
    return "".join(parts)


def blocks(lines):
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif line.startswith("```"):
            end = next((j for j in range(i + 1, len(lines)) if lines[j].startswith("```")), len(lines))
            yield "<pre><code>%s</code></pre>" % html.escape("\n".join(lines[i + 1:end]))
            i = end + 1
        elif m := re.match(r"(#{1,6})\s+(.*?)\s*#*$", line):
            yield "<h%d>%s</h%d>" % (len(m[1]), inline(m[2]), len(m[1]))
            i += 1
        elif re.match(r"\s*([-*_])(\s*\1){2,}\s*$", line):
            yield "<hr>"
            i += 1
        else:
            kind, pattern = block_kind(line)
            end = i
            while end < len(lines) and lines[end].strip() and (end == i or block_kind(lines[end])[0] in (kind, "p")):
                end += 1
            yield render(kind, pattern, lines[i:end])
            i = end


def block_kind(line):
    for kind, pattern in (("ul", r"\s*[-*+]\s+"), ("ol", r"\s*\d+[.)]\s+"), ("blockquote", r"\s*>\s?")):
        if re.match(pattern, line):
            return kind, pattern
    return "p", r"\s*"


def render(kind, pattern, lines):
    if kind == "blockquote":
        return "<blockquote>\n%s\n</blockquote>" % "\n".join(blocks([re.sub(pattern, "", l, count=1) for l in lines]))
    if kind == "p":
        return "<p>%s</p>" % inline("\n".join(l.strip() for l in lines))
    items = []
    for line in lines:
        if re.match(pattern, line):
            items.append(re.sub(pattern, "", line, count=1))
        else:
            items[-1] += "\n" + line.strip()
    return "<%s>\n%s\n</%s>" % (kind, "\n".join("<li>%s</li>" % inline(item) for item in items), kind)


def handle(event, context):
    return 200, {"Content-Type": "text/html; charset=utf-8"}, "\n".join(blocks(event.text.expandtabs(4).splitlines())) + "\n"
