# SPDX-License-Identifier: Apache-2.0
"""The gate on instructions a packet, with measurements made up: instructions_test.py INSTRUCTIONS.PY"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

GATE = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(GATE.parent))
sys.dont_write_bytecode = True
import instructions  # noqa: E402

ROW, OTHER = "BM_Pipeline/ipip/v4/flows:1024", "BM_Pipeline/gue/v4/flows:1024"


def some(**values):
    return {"isa": "x86-64-v3", "compiler": "12.2.0", "rows": {ROW: 700.0, OTHER: 900.0, **values}}


def bounds(first=707, other=909, reason="as measured at first"):
    return {"isa": "x86-64-v3", "compiler": "12.2.0",
            "rows": {ROW: {"at_most": first, "reason": reason}, OTHER: {"at_most": other, "reason": "as measured"}}}


class Gate(unittest.TestCase):
    def setUp(self):
        self.place = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def judge(self, measured, held_to, *options):
        (self.place / "measured.json").write_text(json.dumps(measured))
        (self.place / "bounds.json").write_text(json.dumps(held_to))
        done = subprocess.run([sys.executable, GATE, "--measured", self.place / "measured.json",
                               "--bounds", self.place / "bounds.json", *options], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_what_is_within_its_bounds_passes(self):
        self.assertEqual(self.judge(some(), bounds())[0], 0)
        self.assertEqual(self.judge(some(), bounds(first=700))[0], 0)

    def test_a_bound_lower_than_what_is_measured_fails_and_names_the_row_and_both_figures(self):
        status, said = self.judge(some(), bounds(first=699))
        self.assertEqual(status, 1)
        self.assertIn(f"{ROW}: 700.0 instructions a packet, at most 699", said)
        self.assertNotIn(f"{OTHER}:", said)

    def test_a_bound_far_above_what_is_measured_fails_and_says_how_to_lower_it(self):
        status, said = self.judge(some(), bounds(first=737))
        self.assertEqual(status, 1)
        self.assertIn("--write REASON", said)
        self.assertEqual(self.judge(some(), bounds(first=736))[0], 0)

    def test_a_bound_without_a_reason_and_a_row_that_is_not_measured_fail(self):
        self.assertEqual(self.judge(some(), bounds(reason=" "))[0], 1)
        less = some()
        del less["rows"][OTHER]
        self.assertIn("not measured", self.judge(less, bounds())[1])
        self.assertEqual(self.judge(some(**{ROW: 0.0}), bounds())[0], 1)

    def test_other_flags_or_another_compiler_are_no_test(self):
        for what in ("isa", "compiler"):
            self.assertEqual(self.judge({**some(), what: "another"}, bounds(first=1))[0], instructions.SKIPPED)

    def test_proving_looks_at_every_row_both_ways(self):
        self.assertEqual(self.judge(some(), bounds(), "--prove")[0], 0)
        self.assertEqual(self.judge({**some(), "rows": {}}, bounds(), "--prove")[0], 1)

    def test_writing_changes_only_what_does_not_fit_and_gives_it_the_reason(self):
        status, said = self.judge(some(**{ROW: 500.0}), bounds(), "--write", "a short way for plain packets")
        self.assertEqual(status, 0, said)
        after = json.loads((self.place / "bounds.json").read_text())["rows"]
        self.assertEqual(after[ROW], {"at_most": 505, "reason": "a short way for plain packets"})
        self.assertEqual(after[OTHER], bounds()["rows"][OTHER])
        self.assertEqual(self.judge(some(), bounds(), "--write", " ")[0], 2)

    def test_a_bound_that_changed_since_the_last_commit_needs_another_reason(self):
        def git(*arguments):
            subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e@x", *arguments], cwd=self.place,
                           check=True, capture_output=True)
        self.judge(some(), bounds())
        git("init")
        git("add", "bounds.json")
        git("commit", "-m", "bounds")
        status, said = self.judge(some(**{ROW: 720.0}), bounds(first=725))
        self.assertEqual(status, 1)
        self.assertIn("no new reason", said)
        self.assertEqual(self.judge(some(**{ROW: 720.0}), bounds(first=725, reason="checks of sources"))[0], 0)
        git("commit", "-a", "-m", "with a reason")
        self.assertEqual(self.judge(some(**{ROW: 720.0}), bounds(first=725, reason="checks of sources"))[0], 0)

    def test_dumps_are_told_apart_by_row(self):
        (self.place / "dump").write_text("version: 1\nsummary: 12\ntotals: 1234\n")
        self.assertEqual(instructions.total(self.place / "dump"), 1234)
        (self.place / "dump").write_text("version: 1\n")
        with self.assertRaises(instructions.Failure):
            instructions.total(self.place / "dump")


if __name__ == "__main__":
    unittest.main()
