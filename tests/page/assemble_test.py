# SPDX-License-Identifier: Apache-2.0
"""The page as it was built: small, whole, by its policy its own, and its foreign parts the pinned ones.

assemble_test.py PAGE_SOURCES PAGE.html
"""
import base64
import gzip
import hashlib
import importlib.util
import pathlib
import re
import sys
import tempfile
import unittest

SOURCE, PAGE = map(pathlib.Path, sys.argv[1:3])
LARGEST = 100_000  # bytes, packed


def assembler():
    spec = importlib.util.spec_from_file_location("assemble", SOURCE / "assemble.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Assembled(unittest.TestCase):
    def setUp(self):
        self.page = PAGE.read_text()
        self.policy = dict(part.split(" ", 1) for part in PAGE.with_suffix(".policy").read_text().split("; "))

    def test_packed_it_is_small(self):
        packed = len(gzip.compress(self.page.encode(), 9))
        print(f"the page: {len(self.page.encode())} bytes, packed {packed}")
        self.assertLess(packed, LARGEST)

    def test_policy_allows_its_own_scripts_and_styles_and_nothing_else(self):
        for kind, directive in (("script", "script-src"), ("style", "style-src")):
            inside = re.findall(rf"<{kind}>(.*?)</{kind}>", self.page, re.DOTALL)
            hashes = {
                "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
                for text in inside
            }
            self.assertEqual(hashes, set(self.policy[directive].split()))
        self.assertEqual(self.policy["default-src"], "'none'")
        self.assertEqual(self.policy["connect-src"], "'self'")
        for directive in ("base-uri", "form-action", "frame-ancestors"):
            self.assertEqual(self.policy[directive], "'none'")
        self.assertNotIn("unsafe", PAGE.with_suffix(".policy").read_text())

    def test_nothing_is_loaded_or_run_from_an_attribute(self):
        markup = re.sub(r"<(script|style)>.*?</\1>", "", self.page, flags=re.DOTALL)
        self.assertEqual(re.findall(r"\s(?:src|style|on\w+|action|srcset)\s*=", markup), [])
        for target in re.findall(r'href="([^"]*)"', markup):
            self.assertTrue(target.startswith(("#", "/", "data:image/svg+xml,")), target)

    def test_every_module_is_in_it_and_in_the_build(self):
        listed = (SOURCE / "meson.build").read_text()
        for file in [*SOURCE.glob("js/*.js"), *SOURCE.glob("css/*.css")]:
            name = f"{file.parent.name}/{file.name}"
            self.assertIn(f"'{name}'", listed)
            if file.suffix == ".js":
                self.assertIn(f"const module_{file.stem} =", self.page)

    def test_sources_say_their_licence_and_are_not_long(self):
        for file in [*SOURCE.glob("js/*.js"), *SOURCE.glob("css/*.css"), SOURCE / "index.html"]:
            lines = file.read_text().splitlines()
            self.assertIn("SPDX-License-Identifier: Apache-2.0", "".join(lines[:3]), file.name)
            self.assertLessEqual(len(lines), 500, file.name)

    def test_vendored_files_are_the_pinned_ones(self):
        vendor = SOURCE / "vendor"
        pinned = dict(reversed(line.split()) for line in (vendor / "SHA256SUMS").read_text().splitlines())
        found = {name: hashlib.sha256((vendor / name).read_bytes()).hexdigest() for name in pinned}
        self.assertEqual(found, pinned)
        ours = {"README.md", "SHA256SUMS", "fetch.py"}
        self.assertEqual({file.name for file in vendor.iterdir() if file.is_file()} - ours, set(pinned))
        self.assertIn("MIT", (vendor / "uPlot.LICENSE").read_text())

    def test_a_module_that_it_does_not_understand_is_refused(self):
        assemble = assembler()
        for text in (
            'import x from "./b.js";\n',
            "export default 1;\n",
            'const a = import("./b.js");\n',
            "export let a = 1;\n",
        ):
            with tempfile.TemporaryDirectory() as place:
                pathlib.Path(place, "main.js").write_text(text)
                with self.assertRaises(assemble.Fault, msg=text):
                    assemble.script(pathlib.Path(place))

    def test_modules_that_need_each_other_are_refused(self):
        assemble = assembler()
        with tempfile.TemporaryDirectory() as place:
            pathlib.Path(place, "main.js").write_text('import { b } from "./b.js";\nexport const a = 1;\n')
            pathlib.Path(place, "b.js").write_text('import { a } from "./main.js";\nexport const b = 1;\n')
            with self.assertRaises(assemble.Fault):
                assemble.script(pathlib.Path(place))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
