# SPDX-License-Identifier: Apache-2.0
"""Every command on a page works: fenced `sh` blocks are run as they stand, on the balancer's side of a lab.

The blocks of one page are one script, in a directory with a `sluice.json`: the page's own `json` block if it has
one. A page that does not start the balancer itself finds one running. `scripts/test`, `quickstart` and `lint` are
not started from here, which they would start in turn: their options are compared with their --help.
"""
import os
import re
import subprocess

import lab
from case import LabTest

PAGES = [lab.TOP / "README.md", lab.TOP / "CONTRIBUTING.md", *sorted((lab.TOP / "docs/operate").glob("*.md"))]
ROUND_TRIP = re.compile(r"scripts/(test|quickstart|lint)\b(.*)")


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


class Pages(LabTest):
    def run_page(self, page):
        commands = "".join(blocks(page, "sh"))
        config = blocks(page, "json")
        place = lab.HERE / "page"
        subprocess.run(["rm", "-rf", place], check=True)
        place.mkdir()
        (place / "scripts").symlink_to(lab.TOP / "scripts")
        kept = []
        for line in commands.splitlines():
            match = ROUND_TRIP.match(line)
            if match:
                self.known(match[1], match[2])
            else:
                kept.append(line)
        if not any(kept):
            return
        balancer = self.balancer({"gpu-1": 100, "gpu-2": 100, "gpu-3": 50}, start="sluiced run" not in commands)
        (place / "sluice.json").write_text(config[0] if config else balancer.file.read_text())
        environment = {**os.environ, "PATH": f"{lab.SLUICED.parent}:{lab.SLUICECTL.parent}:{os.environ['PATH']}"}
        done = subprocess.run(lab.inside("lb", "bash", "-e", "-o", "pipefail", "-x", "-c", "\n".join(kept)), cwd=place,
                              env=environment, capture_output=True, text=True, timeout=180, stdin=subprocess.DEVNULL)
        self.commands += len(kept)
        self.assertEqual(done.returncode, 0, f"{page.name}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")

    def known(self, script, arguments):
        """The script exists, and its help names the options."""
        text = subprocess.run([lab.TOP / "scripts" / script, "--help"], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"scripts/{script}", text)
        for option in re.findall(r"--\w+", arguments):
            self.assertIn(option, text)
        step = re.search(r"--only (\w+)", arguments)
        if step:
            listed = subprocess.run([lab.TOP / "scripts" / script, "--list"], capture_output=True, text=True, check=True).stdout
            self.assertIn(step[1], listed.split())

    def test_commands_that_need_a_nic_are_known_to_their_programs(self):
        """Fenced `sh nic` blocks change a device that a test machine has not: their words are looked up in the help."""
        looked_up = 0
        for page in PAGES:
            for line in "".join(blocks(page, "sh nic")).splitlines():
                program, word = line.split()[:2]
                text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
                self.assertIn(word, text, f"{page.name}: {line}")
                looked_up += 1
        self.assertGreater(looked_up, 5)

    def test_commands_of_every_page_work(self):
        self.commands = 0
        for page in PAGES:
            with self.subTest(page=page.name):
                try:
                    self.run_page(page)
                finally:
                    self.doCleanups()  # or the next page would find this one's balancer
        self.assertGreater(self.commands, 25)  # the pages are found, and their blocks too

    def test_links_of_every_page_lead_somewhere(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
                if not link.startswith("http"):
                    self.assertTrue((page.parent / link).exists(), f"{page.name}: {link}")

    def test_every_drop_reason_is_on_the_troubleshooting_page(self):
        self.balancer({"gpu-1": 100})
        page = (lab.TOP / "docs/operate/troubleshooting.md").read_text()
        for drop in lab.ctl("drops", "--all")["drops"]:
            self.assertIn(f"| `{drop['reason']}` |", page)
