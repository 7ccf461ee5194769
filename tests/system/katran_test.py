# SPDX-License-Identifier: Apache-2.0
"""Katran's own packet fixtures through `sluiced replay`: SLUICE_KATRAN names the directory that has them."""
import collections
import json
import os
import pathlib
import sys
import unittest

import lab

sys.path.insert(0, str(lab.TOP / "tests/conformance"))
import katran  # noqa: E402 (its folder is known only now)

MADE_UP = lab.TOP / "tests/conformance/made_up"


class Katran(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.place = lab.HERE / "conformance"
        self.place.mkdir(exist_ok=True)

    def test_the_adapter_finds_what_is_wrong_in_made_up_cases(self):
        cases = katran.load(MADE_UP)[1]["made_up"]
        passed, failed, left_out = katran.run(lab.SLUICED, MADE_UP, self.place)
        self.assertEqual(passed, [c["id"] for c in cases[:4]], failed)
        self.assertEqual(set(failed), {c["id"] for c in cases if "fails" in c})
        for case in cases:
            if "fails" in case:
                self.assertIn(case["fails"], failed[case["id"]])
        self.assertEqual(left_out, {"made_up-09": "requires telepathy", "made_up-10": "katran_protocol"})

    def test_a_wrong_outer_checksum_is_found(self):
        for name, frame in (("IPv4", bytes(14) + bytes.fromhex("45000014000000004004") + bytes(2) + bytes(8)),
                            ("UDP", bytes(14) + bytes.fromhex("6000000000081140") + bytes(32) + bytes.fromhex("c000178000080001"))):
            with self.assertRaisesRegex(katran.Mismatch, f"{name}.* checksum is wrong"):
                katran.check_outer_checksums(frame)

    def test_every_decision_is_on_the_page(self):
        page = " ".join((lab.TOP / "docs/design/conformance.md").read_text().split())
        for name, decision in katran.DECIDED.items():
            self.assertIn(f"`{name}`", page)
            self.assertIn(decision.reason, page)

    def test_katrans_fixtures_give_the_same_verdicts_and_bytes(self):
        directory = os.environ.get("SLUICE_KATRAN")
        if not directory:
            self.skipTest("SLUICE_KATRAN names no directory with Katran's fixtures")
        passed, failed, left_out = katran.run(lab.SLUICED, pathlib.Path(directory), self.place)
        print(f"{len(passed)} passed, {len(failed)} failed, {len(left_out)} left out: "
              f"{json.dumps(collections.Counter(left_out.values()))}")
        self.assertEqual(failed, {}, "\n".join(f"{name}: {why}" for name, why in failed.items()))
        self.assertGreater(len(passed), 0)
