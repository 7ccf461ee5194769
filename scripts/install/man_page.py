#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A page of docs/reference as a manual page, so that the two say the same.

usage: man_page.py NAME SECTION SUMMARY VERSION PAGE.md OUT

What stands before the first heading of the second level becomes DESCRIPTION, an indented block there SYNOPSIS. A row of
a table becomes an entry: its first cell, the last one below it, the others with their column's name after that. The
date is SOURCE_DATE_EPOCH's, else today.
"""
import datetime
import os
import re
import sys

PAGES = (("sluiced", "8"), ("sluicectl", "8"), ("sluice.json", "5"))
INLINE = re.compile(r"`([^`]+)`|\[((?:[^\[\]]|\[\])+)\]\(([^)]+)\)|(?<!\w)\*([^*\s][^*]*)\*")


def plain(text, dash="-"):
    """Text without meaning to roff, on one line of output or as a part of one."""
    text = text.replace("\\", "\\e").replace("-", dash).replace("^", "\\(ha").replace("~", "\\(ti")
    text = text.replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
    return "".join(c if ord(c) < 128 else f"\\[u{ord(c):04X}]" for c in text)


def inline(text):
    out, at = [], 0
    for match in INLINE.finditer(text):
        out.append(plain(text[at:match.start()]))
        at = match.end()
        code, name, target, stressed = match.groups()
        if code is not None:
            out.append(f"\\fB{plain(code, dash=chr(92) + '-')}\\fP")
        elif name is not None:
            out.append(inline(name) + (f" ({plain(target)})" if target.startswith("http") else ""))
        else:
            out.append(f"\\fI{plain(stressed)}\\fP")
    return "".join(out) + plain(text[at:])


def line(text):
    """One line of running text; a dot or quote at its head is no request."""
    made = inline(text.strip())
    return "\\&" + made if made.startswith((".", "'")) else made


def cells(row):
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def table(rows):
    head, out = cells(rows[0]), []
    for row in map(cells, rows[2:]):
        out += [".TP", line(row[0])]
        if row[-1]:
            out.append(line(row[-1]))
        rest = [f"{name}: {cell}" for name, cell in zip(head[1:-1], row[1:-1]) if cell]
        if rest:
            out += [".br", line("; ".join(rest)) + "."]
    return out


def block(lines):
    quiet = [plain(text, dash="\\-") for text in lines]
    return [".PP", ".in +4n", ".EX", *("\\&" + text if text.startswith(".") else text for text in quiet), ".EE", ".in"]


def paragraphs(text):
    """(kind, lines) of each block of the page."""
    lines, at = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL).splitlines(), 0
    while at < len(lines):
        first, start = lines[at], at
        at += 1
        if not first.strip():
            continue
        if first.startswith("```"):
            while not lines[at].startswith("```"):
                at += 1
            yield "block", lines[start + 1:at]
            at += 1
        elif first.startswith("#"):
            yield "heading", [first]
        elif first.startswith("    "):
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            yield "block", [text[4:] for text in lines[start:at]]
        elif first.startswith("|"):
            while at < len(lines) and lines[at].startswith("|"):
                at += 1
            yield "table", lines[start:at]
        elif re.match(r"- |\d+\. ", first):
            while at < len(lines) and lines[at].startswith("  "):
                at += 1
            yield "item", [re.sub(r"^(- |\d+\. )", "", first), *lines[start + 1:at]]
        else:
            while at < len(lines) and lines[at].strip() and not re.match(r"[#|]|```|- ", lines[at]):
                at += 1
            yield "text", lines[start:at]


def body(text):
    head, rest, found = [], [], False
    for kind, lines in paragraphs(text):
        if kind == "heading":
            level, title = lines[0].split(" ", 1)
            if level == "#":
                continue
            found = True
            name = plain(re.sub(r"[`*]", "", title))
            rest.append(f'.SH {name.upper()}' if level == "##" and "." not in name and "[" not in name and title[0] != "`"
                        else f".SS {name}")
            continue
        if kind == "block" and not found:
            rest = [".SH SYNOPSIS", ".nf", *(f"\\fB{plain(text, dash=chr(92) + '-')}\\fP" for text in lines), ".fi", *rest]
            continue
        out = rest if found else head
        if kind == "block":
            out += block(lines)
        elif kind == "table":
            out += table(lines)
        elif kind == "item":
            out += [".IP \\(bu 2", *map(line, lines)]
        else:
            out += [".PP", *map(line, lines)]
    synopsis = []
    if rest[:1] == [".SH SYNOPSIS"]:
        end = rest.index(".fi") + 1
        synopsis, rest = rest[:end], rest[end:]
    made = [*synopsis, ".SH DESCRIPTION", *head, *rest]
    # A paragraph right behind a heading is one already.
    return [text for at, text in enumerate(made) if not (text == ".PP" and made[at - 1].startswith((".SH", ".SS")))]


def page(name, section, summary, version, text):
    when = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", datetime.datetime.now().timestamp())),
                                           datetime.timezone.utc)
    also = " ,\n".join(f".BR {plain(other)} ({number})" for other, number in PAGES if other != name)
    return "\n".join([f'.TH {name.upper()} {section} {when:%Y-%m-%d} "sluice {version}" "Sluice"', ".SH NAME",
                      f"{name} \\- {summary}", *body(text), ".SH SEE ALSO", also, ""])


def main():
    name, section, summary, version, source, target = sys.argv[1:]
    with open(source) as file:
        text = file.read()
    with open(target, "w") as file:
        file.write(page(name, section, summary, version, text))


if __name__ == "__main__":
    main()
