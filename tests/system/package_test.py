# SPDX-License-Identifier: Apache-2.0
"""The Debian packages as an operator meets them: built, installed, started, upgraded, removed, purged.

They are made of the build directory, not compiled again, and installed on a machine in memory
(tests/support/machine.py) that stands where the lab's balancer does.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import lab

sys.path.append(str(lab.TOP / "tests/support"))
import machine  # noqa: E402
import pages  # noqa: E402

CONFIG = "/etc/sluice/sluice.json"
UNITS = ("sluiced.service", "sluiced@.service", "sluice-hugepages.service")
EXPOSURE = 35  # of 100: what `systemd-analyze security` may find at most
NEXT = "9.0.0"
PAGE = lab.TOP / "docs/operate/install.md"
CAPABILITIES = {12: "NET_ADMIN", 13: "NET_RAW", 14: "IPC_LOCK", 21: "SYS_ADMIN"}


def prefix():
    done = subprocess.run(["meson", "introspect", "--buildoptions", lab.BUILD], capture_output=True, text=True, check=True)
    return next(o["value"] for o in json.loads(done.stdout) if o["name"] == "prefix")


def repacked(deb, target):
    """The same package as a later version, whose first configuration is another."""
    tree = target.parent / "next"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {NEXT}", control.read_text(), flags=re.MULTILINE))
    first = tree / CONFIG[1:]
    first.write_text(first.read_text().replace('"edge-1"', '"edge-2"'))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, target], check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)


class Built(unittest.TestCase):
    """Packages once for all tests here."""

    @classmethod
    def setUpClass(cls):
        for tool in ("dh", "lintian", "dpkg-buildpackage"):
            if shutil.which(tool) is None:
                raise unittest.SkipTest(f"{tool} is not installed")
        if prefix() != "/usr":
            raise unittest.SkipTest(f"{lab.BUILD.name} is for the prefix {prefix()}, packages are of /usr")
        cls.out = lab.HERE / "packages"
        if not cls.out.exists():
            done = subprocess.run([lab.TOP / "scripts/package", "--built", "--out", cls.out],
                                  capture_output=True, text=True, timeout=300)
            if done.returncode != 0:
                shutil.rmtree(cls.out, ignore_errors=True)
                raise AssertionError(f"scripts/package: {done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        cls.debs = {deb.name.split("_")[0]: deb for deb in cls.out.glob("*.deb")}


class Packages(Built):
    def test_what_the_scripts_build_with_is_what_the_package_builds_with(self):
        wanted = {line.split()[1] for line in (lab.TOP / "scripts/packages").read_text().splitlines() if line.startswith("build ")}
        wanted -= {"g++", "ninja-build", "libgtest-dev", "libgmock-dev", "libbenchmark-dev"}  # always there; for tests
        control = (lab.TOP / "scripts/debian/control").read_text()
        built_with = set(re.findall(r"[a-z0-9.+-]+", control.split("Build-Depends:")[1].split("Standards-Version")[0]))
        self.assertEqual(wanted - built_with, set())

    def test_lintian_finds_no_errors_and_no_warnings(self):
        changes = next(self.out.glob("*.changes"))
        done = subprocess.run(["lintian", "--allow-root", "--profile", "debian", "--fail-on", "error,warning", changes],
                              capture_output=True, text=True, timeout=200)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_both_packages_hold_what_they_are_for(self):
        self.assertEqual(sorted(self.debs), ["sluice", "sluice-doc"])
        held = {name: subprocess.run(["dpkg-deb", "-c", deb], capture_output=True, text=True, check=True).stdout
                for name, deb in self.debs.items()}
        for path in ("/usr/sbin/sluiced", "/usr/bin/sluicectl", CONFIG, "/etc/default/sluice", "/usr/lib/sluice/decap.bpf.o",
                     "/usr/lib/sluice/backend-setup", "/usr/libexec/sluice/huge-pages", "/usr/share/sluice/sluice.schema.json",
                     "/usr/share/sluice/sluice.openapi.json",
                     "/usr/share/sluice/alerts.yml", "/usr/share/bash-completion/completions/sluicectl",
                     "/usr/lib/sysusers.d/sluice.conf", "/usr/lib/tmpfiles.d/sluice.conf",
                     "/usr/share/man/man8/sluiced.8.gz", "/usr/share/man/man8/sluicectl.8.gz", "/usr/share/man/man5/sluice.json.5.gz",
                     *(f"/lib/systemd/system/{unit}" for unit in UNITS)):
            self.assertRegex(held["sluice"], rf"\.{re.escape(path)}\n")
        for page in pages.pages():  # what one links is there
            self.assertIn(f"/usr/share/doc/sluice/{pages.name(page)}\n", held["sluice-doc"])

    def test_nothing_that_is_run_names_the_place_where_it_was_built(self):
        tree = self.out / "tree"
        self.addCleanup(shutil.rmtree, tree)
        subprocess.run(["dpkg-deb", "-x", self.debs["sluice"], tree], check=True)
        for file in ("usr/sbin/sluiced", "usr/bin/sluicectl", "usr/lib/sluice/decap.bpf.o"):
            content = (tree / file).read_bytes()
            self.assertIn(b"sluice", content)
            self.assertNotIn(os.fsencode(lab.TOP), content, file)

    def test_a_repacked_one_differs_in_its_version(self):
        target = self.out / "check.deb"
        repacked(self.debs["sluice"], target)
        said = subprocess.run(["dpkg-deb", "-f", target, "Version"], capture_output=True, text=True, check=True).stdout
        target.unlink()
        self.assertEqual(said.strip(), NEXT)


class OnMachine(Built):
    """A machine in the balancer's place, with the packages in its /tmp."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.machine = machine.Machine(lab.HERE / "machine", "lb")
        except machine.Missing as missing:
            raise unittest.SkipTest(str(missing)) from None
        cls.addClassCleanup(cls.machine.close)
        for deb in cls.debs.values():
            shutil.copy(deb, cls.machine.path("/tmp"))

    def served(self):
        result = lab.requests(50)
        self.assertEqual((result["answered"], result["failed"]), (50, 0), result["errors"])


class Installed(OnMachine):
    """Each test finds the packages installed, as if for the first time."""

    def setUp(self):
        self.addCleanup(self.uninstall)
        self.install(*(deb.name for deb in self.debs.values()))

    def uninstall(self):
        self.machine.run("dpkg", "--force-unsafe-io", "-P", "sluice", "sluice-doc")
        shutil.rmtree(self.machine.path("/etc/sluice"), ignore_errors=True)
        self.machine.run("systemctl", "reset-failed")

    def install(self, *names):
        return self.machine.run("dpkg", "--force-unsafe-io", "--force-confdef", "--force-confold", "-i", *names)

    def configure(self, **changes):
        config = lab.configuration({"gpu-1": 100, "gpu-2": 100}, state_dir="/var/lib/sluice", **changes)
        config["dpdk"] = {**config["dpdk"], "huge_pages": False}  # the lab's are for its own daemons
        self.machine.path(CONFIG).write_text("// the operator's\n" + json.dumps(config))
        return config

    def start(self):
        self.configure()
        done = self.machine.run("systemctl", "start", "sluiced", check=False)
        if done.returncode != 0:
            self.fail(self.machine.run("journalctl", "-u", "sluiced", "--no-pager", "-o", "cat").stdout[-3000:])
        self.served()

    def show(self, *names, unit="sluiced"):
        said = self.machine.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).stdout
        found = dict(line.split("=", 1) for line in said.splitlines())
        return [found[name] for name in names]

    def backends(self):
        return json.loads(self.machine.run("sluicectl", "--json", "backends").stdout)["backends"]

    def addressing(self):
        return self.machine.run("ip", "addr").stdout, self.machine.run("sysctl", "net.ipv4.conf.all").stdout

    def test_what_is_installed_works_and_nothing_runs_yet(self):
        run = self.machine.run
        self.assertRegex(run("sluiced", "version").stdout, r"^sluiced \d")
        run("sluiced", "check", "--config", CONFIG)
        self.assertIn("sluicectl", run("sluicectl", "--help").stdout)
        run("bash", "-n", "/usr/share/bash-completion/completions/sluicectl")
        for told in ("schema", "openapi"):
            self.assertEqual(run("sluiced", told).stdout, self.machine.path(f"/usr/share/sluice/sluice.{told}.json").read_text())
        self.assertIn("sluice.json(5)", run("man", "sluiced").stdout)
        for page in ("sluiced.8", "sluicectl.8", "sluice.json.5"):
            self.assertTrue(run("man", "-w", *reversed(page.rsplit(".", 1))).stdout.strip())
        self.assertEqual(self.show("ActiveState", "UnitFileState"), ["inactive", "disabled"])
        self.assertTrue(run("getent", "group", "sluice").stdout)
        self.assertEqual(run("stat", "-c", "%a %U %G", "/run/sluice").stdout, "750 root sluice\n")

    def test_systemd_finds_nothing_wrong_with_the_units_and_little_exposed(self):
        done = self.machine.run("systemd-analyze", "verify", *(f"/lib/systemd/system/{unit}" for unit in UNITS), check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        for unit in UNITS[::2]:
            done = self.machine.run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}",
                                    f"/lib/systemd/system/{unit}", check=False)
            self.assertEqual(done.returncode, 0, done.stdout)

    def test_it_serves_under_systemd_with_the_rights_that_the_unit_leaves_it(self):
        self.start()
        state, text, pid = self.show("ActiveState", "StatusText", "MainPID")
        self.assertEqual((state, text), ("active", "forwarding"))
        lines = self.machine.run("cat", f"/proc/{pid}/status").stdout.splitlines()
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        left = int(status["CapEff"], 16)
        self.assertEqual({n for n in range(64) if left >> n & 1}, set(CAPABILITIES))
        self.assertEqual((status["NoNewPrivs"].strip(), status["Seccomp"].strip()), ("1", "2"))
        self.assertEqual(self.machine.run("stat", "-c", "%a %U %G", "/run/sluice/admin.sock").stdout, "660 root sluice\n")
        self.assertIn("yes", self.machine.run("sluicectl", "status").stdout)
        journal = self.machine.run("journalctl", f"_PID={pid}", "-o", "json").stdout
        lines = [json.loads(line) for line in journal.splitlines()]
        started = [line for line in lines if "daemon started" in line["MESSAGE"]]
        self.assertEqual([line["PRIORITY"] for line in started], ["6"])
        self.assertTrue(started[0]["MESSAGE"].startswith("info daemon started"), started)  # no time: the journal has it
        self.assertNotEqual(self.show("WatchdogTimestamp"), [""])
        self.machine.run("systemctl", "stop", "sluiced")
        self.assertEqual(self.show("ActiveState", "Result", "NRestarts"), ["inactive", "success", "0"])

    def test_a_bad_file_neither_starts_nor_reloads_anything(self):
        good = self.machine.path(CONFIG).read_text()
        self.machine.path(CONFIG).write_text("{")
        self.assertNotEqual(self.machine.run("systemctl", "start", "sluiced", check=False).returncode, 0)
        self.assertEqual(self.show("NRestarts"), ["0"])  # it would be no better the next time
        self.machine.path(CONFIG).write_text(good)
        self.start()
        pid = self.show("MainPID")
        config = self.machine.path(CONFIG)
        config.write_text("{")
        self.assertNotEqual(self.machine.run("systemctl", "reload", "sluiced", check=False).returncode, 0)
        self.assertEqual(self.show("MainPID", "ActiveState"), [*pid, "active"])
        changed = self.configure()
        changed["pools"][0]["backends"].pop()
        config.write_text(json.dumps(changed))
        self.machine.run("systemctl", "reload", "sluiced")
        self.machine.wait_until("the reload", lambda: len(self.backends()) == 1)
        self.served()

    def test_an_upgrade_keeps_the_operator_s_file_and_takes_over_what_runs(self):
        self.start()
        mine, pid = self.machine.path(CONFIG).read_text(), self.show("MainPID")
        later = self.out / f"sluice_{NEXT}_amd64.deb"
        repacked(self.debs["sluice"], later)
        shutil.move(later, self.machine.path("/tmp"))
        # A file that the new version would refuse: the old one goes on.
        self.machine.path(CONFIG).write_text("{")
        said = self.install(later.name).stderr
        self.assertIn("goes on with the version before", said)
        self.assertEqual(self.show("MainPID", "ActiveState"), [*pid, "active"])
        self.served()
        self.machine.path(CONFIG).write_text(mine)
        self.install(later.name)
        self.assertEqual(self.machine.path(CONFIG).read_text(), mine)
        self.assertNotEqual(self.show("MainPID"), pid)
        self.assertEqual(self.show("ActiveState"), ["active"])
        self.served()

    def test_removed_it_leaves_what_is_the_operator_s_and_purged_nothing(self):
        self.start()
        self.machine.run("dpkg", "--force-unsafe-io", "-r", "sluice", "sluice-doc")
        self.assertEqual(lab.run("lb", "ip", "-details", "link", "show", "lb0").stdout.count("prog/xdp"), 0)
        self.assertTrue(self.machine.path(CONFIG).exists())
        self.assertTrue(self.machine.path("/var/lib/sluice/operator.json").exists())
        self.machine.path("/etc/sluice/mine.json").write_text("{}")
        said = self.machine.run("dpkg", "--force-unsafe-io", "-P", "sluice", "sluice-doc").stderr
        self.assertIn("left /etc/sluice with files that are yours", said)
        self.machine.path("/etc/sluice/mine.json").unlink()
        self.machine.path("/etc/sluice").rmdir()
        left = [str(path) for folder in ("/run/upper", "/run")
                for path in self.machine.path(folder).rglob("*") if "sluice" in path.name and not path.is_char_device()]
        self.assertEqual(left, [])
        self.assertNotEqual(self.machine.run("getent", "group", "sluice", check=False).returncode, 0)

    def test_two_instances_have_places_of_their_own(self):
        config = self.configure(node="second", admin={"socket": "/run/sluice/second/admin.sock"})
        config["state_dir"] = "/var/lib/sluice/second"
        self.machine.path("/etc/sluice/second.json").write_text(json.dumps(config))
        self.machine.run("systemctl", "start", "sluiced@second")
        self.machine.run("sluicectl", "--socket", "/run/sluice/second/admin.sock", "status")
        self.machine.run("systemctl", "stop", "sluiced@second")
        self.assertTrue(self.machine.path("/run/sluice").is_dir())

    def test_a_backend_is_set_up_at_each_boot_until_undone(self):
        setup = "/usr/lib/sluice/backend-setup"
        before = self.addressing()
        self.machine.run(setup, "--vip", "198.51.100.77", "--device", "lb0", "--persist")
        self.assertEqual(self.show("ActiveState", "UnitFileState", unit="sluice-backend"), ["active", "enabled"])
        self.assertIn("198.51.100.77", self.machine.run("ip", "addr").stdout)
        self.machine.run("systemctl", "restart", "sluice-backend")
        self.assertIn("198.51.100.77", self.machine.run("ip", "addr").stdout)
        self.assertNotIn("nothing", self.machine.run(setup, "--undo").stdout)
        self.assertEqual(self.addressing(), before)
        self.assertEqual(list(self.machine.path("/etc/systemd/system").rglob("sluice-backend*")), [])
        self.assertFalse(self.machine.path("/usr/local/lib/sluice").exists())

    def play(self, page):
        """The page's `sh machine` blocks as one script, in a folder with the packages."""
        for later in self.machine.path("/tmp").glob(f"sluice_{NEXT}_*.deb"):
            later.unlink()
        commands = pages.blocks(pages.TOP / page, "sh machine")
        self.assertGreater(len(commands), 2, page)
        done = self.machine.run("bash", "-ex", "-o", "pipefail", "-c", "".join(commands), check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-3000:])
        return done.stdout

    def test_who_follows_the_page_of_installation_has_installed_and_removed_it(self):
        self.uninstall()
        config, = pages.blocks(PAGE, "json machine")
        self.machine.path("/tmp/mine.json").write_text(config)
        self.play("docs/operate/install.md")

    def test_who_follows_the_first_steps_has_a_node_that_serves(self):
        self.uninstall()
        self.assertIn("forward", self.play("docs/operate/first-steps.md"))
        self.served()

    def test_who_follows_the_page_of_upgrades_finds_all_as_it_was(self):
        self.start()
        self.machine.run("sluicectl", "backend", "drain", "llama", "gpu-2")
        self.play("docs/operate/upgrade.md")
        self.assertIn("gpu-2", self.machine.path("/tmp/after.csv").read_text())
        self.served()


class HugePages(unittest.TestCase):
    def setUp(self):
        self.sys = lab.HERE / "sys"
        self.addCleanup(shutil.rmtree, self.sys)
        self.pages = self.sys / "kernel/mm/hugepages/hugepages-2048kB"
        self.pages.mkdir(parents=True)

    def run_it(self, free, total, **environment):
        for name, value in (("free_hugepages", free), ("nr_hugepages", total)):
            (self.pages / name).write_text(f"{value}\n")
        return subprocess.run([lab.TOP / "scripts/install/huge-pages"], capture_output=True, text=True,
                              env={**os.environ, "SLUICE_SYS": str(self.sys), **environment})

    def test_as_many_are_added_as_are_missing_and_none_is_given_back(self):
        self.run_it(10, 100, SLUICE_HUGE_PAGES="30")
        self.assertEqual((self.pages / "nr_hugepages").read_text(), "120\n")
        done = self.run_it(200, 300, SLUICE_HUGE_PAGES="30")
        self.assertEqual((done.returncode, (self.pages / "nr_hugepages").read_text()), (0, "300\n"))

    def test_too_few_are_told_with_the_remedy(self):
        done = self.run_it(10, 100, SLUICE_HUGE_PAGES="30")  # nobody here adds any
        self.assertEqual(done.returncode, 1)
        self.assertIn("hugepages=30", done.stderr)
        self.assertEqual(self.run_it(0, 0, SLUICE_HUGE_PAGES="many").returncode, 2)
        self.assertIn("NUMA node", self.run_it(0, 0, SLUICE_HUGE_PAGES_NODE="7").stderr)


class Manuals(unittest.TestCase):
    PAGES = ("sluiced.8", "sluicectl.8", "sluice.json.5")

    def text(self, page):
        return subprocess.run(["man", "-l", lab.BUILD / "scripts/install" / page], capture_output=True, text=True, check=True,
                              env={**os.environ, "MANWIDTH": "9999", "LANG": "C.UTF-8"}).stdout

    def test_neither_man_nor_mandoc_has_anything_to_warn_of(self):
        for page in self.PAGES:
            file = lab.BUILD / "scripts/install" / page
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", file], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            if shutil.which("mandoc"):
                done = subprocess.run(["mandoc", "-Tlint", "-W", "warning", file], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_every_key_of_the_schema_is_on_its_page(self):
        schema = json.loads(subprocess.run([lab.SLUICED, "schema"], capture_output=True, text=True, check=True).stdout)
        keys = set()

        def walk(node):
            if isinstance(node, dict):
                if isinstance(node.get("properties"), dict):
                    keys.update(node["properties"])
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)
        walk(schema)
        self.assertGreater(len(keys), 50)
        text = self.text("sluice.json.5")
        self.assertEqual([key for key in sorted(keys) if not re.search(rf"^ +{re.escape(key)}\b", text, re.MULTILINE)], [])

    def test_every_command_of_the_programs_is_on_its_page(self):
        for program, page in ((lab.SLUICED, "sluiced.8"), (lab.SLUICECTL, "sluicectl.8")):
            text = self.text(page)
            said = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
            commands = re.findall(r"^  ([a-z]+) ", said, re.MULTILINE)
            self.assertGreater(len(commands), 4)
            self.assertEqual([name for name in commands if not re.search(rf"\b{name}\b", text)], [])
