# SPDX-License-Identifier: Apache-2.0
"""Every command on a page works: fenced `sh` blocks are run as they stand, on the balancer's side of a lab.

The blocks of one page are one script, in a directory with a `sluice.json`: the page's own `json` block if that is a
whole one. A page that does not start the balancer itself finds one running, of node edge-1. `scripts/test`, `quickstart`,
`package` and `lint` are not started from here, which they would start in turn: tests/docs/pages_test.py compares their
options with their --help, as it sees to all other kinds of blocks.
"""
import os
import re
import shutil
import subprocess
import sys

import lab
from case import LabTest

sys.path.append(str(lab.TOP / "tests/support"))
import pages  # noqa: E402

ROUND_TRIP = re.compile(r"scripts/(test|quickstart|package|lint)\b")
# Words of commands in `sh nic` blocks that their help does not name: those of the machine itself.
OF_THE_MACHINE = re.compile(r"eth1|0000:3b:00\.0|ixgbe|vfio-pci|mlx5_ib|net|\d+")


class Pages(LabTest):
    def run_page(self, page):
        kept = [line for line in "".join(pages.blocks(page, "sh")).splitlines() if not ROUND_TRIP.match(line)]
        if not any(kept):
            return
        place = lab.HERE / "page"
        subprocess.run(["rm", "-rf", place], check=True)
        place.mkdir()
        (place / "scripts").symlink_to(lab.TOP / "scripts")
        config = [text for text in pages.blocks(page, "json") if text.startswith("{")]
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100, "gpu-3": 50}, node="edge-1",
                                 start=not any("sluiced run" in line for line in kept))
        (place / "sluice.json").write_text(config[0] if config else balancer.file.read_text())
        environment = {**os.environ, "PATH": f"{lab.SLUICED.parent}:{lab.SLUICECTL.parent}:{os.environ['PATH']}"}
        done = subprocess.run(lab.inside("lb", "bash", "-e", "-o", "pipefail", "-x", "-c", "\n".join(kept)), cwd=place,
                              env=environment, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
        self.ran.add(pages.name(page))
        self.assertEqual(done.returncode, 0, f"{page.name}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")

    def test_commands_of_every_page_work(self):
        self.ran = set()
        for page in pages.pages():
            if pages.name(page) in pages.UNRUN:
                continue
            with self.subTest(page=page.name):
                try:
                    self.run_page(page)
                finally:
                    self.doCleanups()  # or the next page would find this one's balancer
        self.assertGreater(len(self.ran), 15, self.ran)  # the pages are found, and their blocks too

    def test_commands_that_need_a_nic_are_known_to_their_programs(self):
        """`sh nic` blocks change a device that a test machine has not: their words are looked up in the help."""
        looked_up = 0
        for page in pages.pages():
            for line in "".join(pages.blocks(page, "sh nic")).splitlines():
                program, *words = line.split()
                with self.subTest(page=page.name, line=line):
                    if shutil.which(program) is None:
                        self.skipTest(f"{program} is not installed")
                    ask = [program, words[0], "help"] if program == "ip" else [program, "--help"]
                    done = subprocess.run(ask, capture_output=True, text=True)
                    for word in words:
                        if not OF_THE_MACHINE.fullmatch(word):
                            self.assertIn(word, done.stdout + done.stderr)
                            looked_up += 1
        self.assertGreater(looked_up, 10)

    def test_every_drop_reason_is_on_the_troubleshooting_page(self):
        self.balancer({"gpu-1": 100})
        page = (lab.TOP / "docs/operate/troubleshooting.md").read_text()
        for drop in lab.ctl("drops", "--all")["drops"]:
            self.assertIn(f"| `{drop['reason']}` |", page)

    def test_every_counter_of_the_filter_is_on_the_troubleshooting_page(self):
        self.balancer({"gpu-1": 100})
        port = lab.ctl("status")["ports"][0]
        if port["xdp"] is None:
            self.skipTest(lab.af_xdp_missing())
        section = (lab.TOP / "docs/operate/troubleshooting.md").read_text().split("\n## What the XDP filter did\n")[1]
        for counter in port["xdp"]["counters"]:
            self.assertRegex(section.split("\n## ")[0], rf"(?m)^\|[^|]*`{counter}`")
