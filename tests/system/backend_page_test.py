# SPDX-License-Identifier: Apache-2.0
"""What the pages tell an operator to run at a backend (fenced `sh backend` blocks) is run in a namespace like one."""
import re
import subprocess
import unittest

import lab

PAGES = sorted((lab.TOP / "docs/operate").glob("*.md"))
NO_DRIVER = ("Unknown device type", "not supported", "No such file or directory")


def blocks():
    for page in PAGES:
        for number, text in enumerate(re.findall(r"^```sh backend\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)):
            yield page, number, text


class BackendPages(unittest.TestCase):
    def setUp(self):
        subprocess.run(["ip", "netns", "add", "page-backend"], check=True)
        self.addCleanup(subprocess.run, ["ip", "netns", "del", "page-backend"], check=True)
        for command in ("ip link set lo up", "ip link add eth0 type veth peer name wire", "ip link set wire up", "ip addr add 10.0.1.11/16 dev eth0",
                        "ip addr add 2001:db8:a::1:b/64 dev eth0 nodad", "ip link set eth0 up"):
            lab.run("page-backend", *command.split())

    def test_commands_for_backends_work(self):
        done, without_driver = 0, []
        for page, number, text in blocks():
            with self.subTest(page=page.name, block=number):
                result = lab.run("page-backend", "bash", "-e", "-c", text, check=False)
                if result.returncode != 0 and any(word in result.stderr for word in NO_DRIVER):
                    without_driver.append(text.splitlines()[0])  # this kernel has no such tunnel
                    continue
                self.assertEqual(result.returncode, 0, result.stderr)
                done += 1
        self.assertGreaterEqual(done, 2, f"only this ran; without a driver: {without_driver}")
