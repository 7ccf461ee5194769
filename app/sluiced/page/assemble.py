# SPDX-License-Identifier: Apache-2.0
"""Makes one page of its parts, and C++ of the page: assemble.py SOURCE_DIR PAGE.html PAGE.cpp

Modules become functions that return what they export, in the order in which they need each other; so they
keep their own names, and the page loads nothing. Only these forms are known, each on a line of its own:
`import { a, b } from "./other.js";` and `export` before a function, class or const. The policy allows the
page's own scripts and styles by their hashes and nothing else.
"""
import base64
import gzip
import hashlib
import pathlib
import re
import sys

IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
STYLES = ["vendor/uPlot.min.css", "css/base.css", "css/parts.css", "css/table.css"]
CHARTS = "vendor/uPlot.iife.min.js"


class Fault(Exception):
    """A source that this script does not understand; the text is for a person."""


def module(name, text):
    """One module as a constant; its imports become constants of their own."""
    body = IMPORT.sub(r"const { \1 } = module_\2;", text)
    exported = EXPORT.findall(body)
    body = EXPORT.sub("", body)
    wrong = re.search(r"^(?:import|export)\b.*|.*\bimport\(.*", body, re.MULTILINE)
    if wrong:
        raise Fault(f"{name}.js: cannot assemble: {wrong[0]}")
    return f"const module_{name} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"


def script(folder, first="main"):
    """All modules that `first` needs, each after those that it needs itself."""
    done, under_way, parts = set(), [], []

    def add(name):
        if name in done:
            return
        if name in under_way:
            raise Fault(f"{name}.js: modules need each other in a circle: {' '.join(under_way)}")
        under_way.append(name)
        text = (folder / f"{name}.js").read_text()
        for _, other in IMPORT.findall(text):
            add(other)
        under_way.pop()
        done.add(name)
        parts.append(module(name, text))

    add(first)
    return '"use strict";\n' + "".join(parts)


def hash_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def assemble(source):
    """(page, policy)"""
    scripts = [(source / CHARTS).read_text(), script(source / "js")]
    styles = ["\n".join((source / name).read_text() for name in STYLES)]
    for text in scripts:
        if "</script" in text.lower() or "<!--" in text:
            raise Fault("a script holds what would end it inside of HTML")
    page = (source / "index.html").read_text()
    page = page.replace("@STYLE@", "".join(f"<style>{text}</style>" for text in styles))
    page = page.replace("@SCRIPT@", "".join(f"<script>{text}</script>" for text in scripts))
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(map(hash_of, scripts)),
            "style-src " + " ".join(map(hash_of, styles)),
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ]
    )
    return page, policy


def array(name, data):
    lines = [",".join(str(byte) for byte in data[at : at + 40]) for at in range(0, len(data), 40)]
    return f"constexpr unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def cpp(page, policy):
    """The page as http::Page; see page.hpp."""
    plain = page.encode()
    packed = gzip.compress(plain, 9, mtime=0)
    tag = hashlib.sha256(plain).hexdigest()[:16]
    text = "std::string_view{{reinterpret_cast<const char*>({0}), sizeof {0}}}"
    return (
        '// SPDX-License-Identifier: Apache-2.0\n// Made by assemble.py.\n#include "page/page.hpp"\n\n'
        "namespace sluice::app {\nnamespace {\n\n"
        + array("kPlain", plain)
        + array("kPacked", packed)
        + "\n}  // namespace\n\nhttp::Page page() noexcept {\n"
        f'  return {{{text.format("kPlain")}, {text.format("kPacked")}, "{tag}", "{policy}"}};\n'
        "}\n\n}  // namespace sluice::app\n"
    )


def main():
    source, html, code = map(pathlib.Path, sys.argv[1:])
    try:
        page, policy = assemble(source)
    except Fault as fault:
        sys.exit(f"assemble.py: {fault}")
    html.write_text(page)
    html.with_suffix(".policy").write_text(policy)
    code.write_text(cpp(page, policy))


if __name__ == "__main__":
    main()
