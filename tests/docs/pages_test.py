#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the pages say exists: links, files, commands and their options, keys, metrics; and every block has who runs it.

    pages_test.py SLUICED SLUICECTL
"""
import functools
import glob
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import pages  # noqa: E402

SLUICED, SLUICECTL = sys.argv[1:3] if len(sys.argv) > 2 else ("sluiced", "sluicectl")
# Commands in `sh elsewhere` blocks, by how they begin, and why no test runs them.
ELSEWHERE = {
    "curl --cacert": "needs a certificate and a token; tests/system/api_test.py asks the same",
    "echo /sluice/stats | dpdk-telemetry.py": "tests/system/api_test.py asks the same socket",
    "rm -r /sys/fs/bpf/sluice/": "tests/xdp/filter_test.cpp does it to a dead daemon's",
    "SLUICE_KATRAN=": "the fixtures are not ours",
    "sluicectl scale history llama --out": "needs hours of a pool's load; tests/client/history_test.cpp has some",
    "sluicectl plan --config /etc/sluice/sluice.json --pool llama": "likewise",
    "ssh -L 9901:": "no test machine has an SSH server",
}
WHOLE = {
    "ports": [{"name": "front", "device": "net_af_xdp0,iface=lb0"}],
    "pools": [{"name": "llama", "forwarding": "l2dsr", "backends": [{"name": "gpu-1", "address": "10.0.1.11"}]}],
}


@functools.cache
def schema():
    return json.loads(subprocess.run([SLUICED, "schema"], capture_output=True, text=True, check=True).stdout)


def objects(node):
    """Every object of the schema."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield node
        for inner in node.values():
            yield from objects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from objects(inner)


@functools.cache
def keys():
    return {key for node in objects(schema()) for key in node["properties"]}


@functools.cache
def help_of(*command):
    """What --help says of a command; empty when it is none."""
    done = subprocess.run([*command, "--help"], capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode == 0 else ""


def commands_of(command):
    """The commands of a program or of a command of it, as its help lists them."""
    return re.findall(r"^  ([a-z]+) ", help_of(*command).partition("\nSubcommands:\n")[2], re.MULTILINE)


def faults_of(words):
    """What is wrong with a command line of our own programs."""
    program, *rest = words
    place = {"sluicectl": SLUICECTL, "sluiced": SLUICED, "backend-setup": str(pages.TOP / "scripts/backend-setup")}
    command = [place.get(program) or str(pages.TOP / program)]
    told = help_of(*command)
    if not told:
        return [f"{' '.join(words)}: {program} has no help"]
    while rest and commands_of(command):
        word = rest.pop(0)
        if word == "--socket":
            rest.pop(0)
        elif not word.startswith("-"):
            if word not in commands_of(command):
                return [] if re.search("[^a-z]", word) else [f"{' '.join(words)}: no command '{word}'"]  # COMMAND, ...
            command.append(word)
            told += help_of(*command)
    options = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)} - {"--help"}
    return [f"{' '.join(words)}: no option {option}" for option in sorted(options) if not re.search(rf"{option}\b", told)]


def command_lines(text):
    """The commands of ours in a line or a block, as lists of words."""
    for line in re.sub(r"\\\n *", "", text).splitlines():
        for part in re.split(r"[|;&]|\$\(", line):
            words = part.split()
            while words and (re.match(r"[A-Z_]+=", words[0]) or words[0] in ("sudo", "!", "then", "do")):
                words.pop(0)
            ours = r"sluiced|sluicectl|backend-setup|scripts/(?!packages)[a-z-]+"
            if words and re.fullmatch(ours, words[0]):
                yield words


class Links(unittest.TestCase):
    def test_lead_to_a_file_and_to_a_heading_in_it(self):
        seen = 0
        for page in pages.pages():
            for file, anchor in pages.links(page):
                target = (page.parent / file).resolve() if file else page
                self.assertTrue(target.exists(), f"{pages.name(page)}: {file}")
                if anchor:
                    self.assertIn(anchor, pages.anchors(target), f"{pages.name(page)}: {file}#{anchor}")
                    seen += 1
        self.assertGreater(seen, 10)

    def test_lead_from_the_first_page_to_every_page_for_operators_in_one_step(self):
        near = {(pages.TOP / file).resolve() for file, _ in pages.links(pages.FIRST)}
        for page in pages.pages():
            if page.parent.name in ("operate", "reference"):
                self.assertIn(page, near, f"README.md does not link {pages.name(page)}")

    def test_lead_to_every_page(self):
        linked = {(page.parent / file).resolve() for page in pages.pages() for file, _ in pages.links(page) if file}
        for page in pages.pages():
            if page != pages.FIRST:
                self.assertIn(page, linked, f"no page links {pages.name(page)}")

    def test_stay_within_what_the_package_installs(self):
        installed = {"README.md", "CONTRIBUTING.md"}
        for page in pages.pages():
            for file, _ in pages.links(page):
                where = pages.name((page.parent / file).resolve() if file else page)
                self.assertTrue(where in installed or re.match("docs(/|$)", where), f"{pages.name(page)}: {file}")
        listed = (pages.TOP / "scripts/debian/sluice-doc.install").read_text()
        for file in (*installed, "docs"):
            self.assertRegex(listed, rf"(?m)^{re.escape(file)} ")


class Blocks(unittest.TestCase):
    def test_each_is_of_a_kind_that_somebody_runs(self):
        for page in pages.pages():
            for kind, _ in pages.blocks(page):
                self.assertIn(kind, pages.KINDS, f"{pages.name(page)}: ```{kind}")
                homes = pages.HOMES.get(kind, [pages.name(page)])
                self.assertIn(pages.name(page), homes, f"```{kind} is run of other pages")
        for homes in pages.HOMES.values():
            for home in homes:
                self.assertTrue((pages.TOP / home).exists(), home)
        for kind, runner in pages.KINDS.items():
            if runner is not None:
                self.assertIn(kind, (pages.TOP / runner).read_text(), f"{runner} does not know ```{kind}")
                self.assertTrue(any(pages.blocks(page, kind) for page in pages.pages()), f"there is no block ```{kind}")

    def test_none_hides_commands(self):
        """Indented blocks and pictures are run by nobody: no command stands in one."""
        for page in pages.pages():
            for text in pages.blocks(page, "text"):
                self.assertEqual(list(command_lines(text)), [], pages.name(page))
            for line in re.findall(r"^    +[#$] .*$", pages.prose(page), re.MULTILINE):
                self.fail(f"{pages.name(page)}: {line}")

    def test_each_that_is_not_run_has_a_reason(self):
        found = set()
        for page in pages.pages():
            for text in pages.blocks(page, "sh elsewhere"):
                for line in filter(None, text.splitlines()):
                    reason = next((start for start in ELSEWHERE if line.startswith(start)), None)
                    self.assertIsNotNone(reason, f"{pages.name(page)}: {line}")
                    found.add(reason)
        self.assertEqual(found, set(ELSEWHERE))
        for page in pages.UNRUN:
            self.assertTrue(pages.blocks(pages.TOP / page, "sh"), page)

    def test_configurations_are_taken(self):
        tried = 0
        for page in pages.pages():
            for text in [*pages.blocks(page, "json"), *pages.blocks(page, "json machine")]:
                whole = text if text.startswith("{") else json.dumps(completed(json.loads("{" + text + "}")))
                with self.subTest(page=pages.name(page), text=text[:60]), tempfile.NamedTemporaryFile("w") as file:
                    file.write(whole)
                    file.flush()
                    done = subprocess.run([SLUICED, "check", "--config", file.name], capture_output=True, text=True)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    tried += 1
        self.assertGreater(tried, 15)

    def test_answers_have_the_fields_that_the_page_describes(self):
        page = pages.TOP / pages.HOMES["json answer"][0]
        described = set(re.findall(r'"(\w+)"', (pages.TOP / "lib/control/api_schemas.cpp").read_text()))
        for text in pages.blocks(page, "json answer"):
            answer = json.loads(text)
            for field in fields(answer):
                self.assertIn(field, described)

    def test_prometheus_takes_its_configuration(self):
        promtool = shutil.which("promtool")
        if promtool is None:
            self.skipTest("promtool is missing; Debian has it in the package prometheus")
        for page in pages.pages():
            for text in pages.blocks(page, "yaml"):
                with tempfile.TemporaryDirectory() as place:
                    shutil.copy(pages.TOP / "docs/operate/alerts.yml", place)
                    config = pathlib.Path(place, "prometheus.yml")
                    for file in re.findall(r"ca_file: (\S+?)[ ,}]", text):
                        pathlib.Path(place, file).touch()
                    config.write_text(text)
                    done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True)
                    self.assertEqual(done.returncode, 0, f"{pages.name(page)}: {done.stdout}{done.stderr}")

    def test_units_are_understood(self):
        for page in pages.pages():
            for text in pages.blocks(page, "unit"):
                known = (pages.TOP / "scripts/install/sluiced.service.in").read_text()
                for key in re.findall(r"^(\w+)=", text, re.MULTILINE):
                    self.assertIn(f"\n{key}=", known, pages.name(page))

    def test_rights_are_those_that_are_used(self):
        text = "".join(pages.blocks(pages.TOP / pages.HOMES["rights"][0], "rights"))
        code = "".join(file.read_text() for file in (pages.TOP / "lib/actuate").glob("*.cpp"))
        for resource in re.findall(r"(endpointslices|pods|scale)\b", text):
            self.assertIn(resource, code)


def fields(answer):
    """Names of fields that are the API's own: not those of counters by name."""
    if isinstance(answer, dict):
        for key, inner in answer.items():
            if key not in ("h100", "pass", "redirect"):
                yield key
            yield from fields(inner)
    elif isinstance(answer, list):
        for inner in answer:
            yield from fields(inner)


def completed(part):
    """The whole configuration that a part of one belongs to."""
    whole = json.loads(json.dumps(WHOLE))
    pool = whole["pools"][0]
    if "token_file" in part and "actuator" not in part:
        part = {"actuator": {"type": "kubernetes", "url": "https://10.0.0.2:6443", "namespace": "models",
                             "workload": "deployments/llama", "endpoints": "llama", **part}}
    if "actuator" in part:
        pool["classes"] = [{"name": "h100"}, {"name": "l4"}][:1 if part["actuator"]["type"] == "kubernetes" else 2]
        pool["autoscale"] = {"policy": "target", "max": 2, **part}
    elif set(part) <= set(schema()["properties"]):
        whole.update(part)
        workers = max(port.get("queues", 1) for port in whole["ports"])
        whole["dpdk"] = {"lcores": f"0-{workers}"}
    else:
        pool.update(part)
    return whole


class Words(unittest.TestCase):
    def test_commands_exist_and_take_their_options(self):
        seen = 0
        for page in pages.pages():
            run = [text for kind, text in pages.blocks(page) if kind.startswith("sh") and kind != "sh machine"]
            for text in (*pages.spans(page), *run):
                for words in command_lines(text):
                    self.assertEqual(faults_of(words), [], pages.name(page))
                    seen += 1
        self.assertGreater(seen, 150)

    def test_a_command_that_does_not_exist_is_noticed(self):
        for line in ("sluicectl statsu", "sluicectl backend dran llama gpu-1", "sluicectl backend add --wieght 5",
                     "sluiced chek", "sluiced check --konfig x", "scripts/test --quik", "backend-setup --vipp x"):
            self.assertEqual(len([fault for words in command_lines(line) for fault in faults_of(words)]), 1, line)

    def test_files_of_the_tree_exist(self):
        seen = 0
        for page in pages.pages():
            for span in pages.spans(page):
                if re.fullmatch(r"(lib|app|tests|perf|scripts|docs)/[\w./*{},-]+", span):
                    for each in braces(span):
                        place = pages.TOP / each
                        found = glob.glob(str(place)) or glob.glob(f"{place}.[ch]pp") or built(place)
                        self.assertTrue(found, f"{pages.name(page)}: {each}")
                        seen += 1
        self.assertGreater(seen, 80)

    def test_keys_of_the_configuration_exist(self):
        seen = 0
        inner = {"limits", "encapsulation", "nat", "health", "outlier", "metrics", "autoscale", "actuator"}
        tops = set(schema()["properties"]) | inner
        answers = (pages.TOP / "lib/control/api_schemas.cpp").read_text()
        for page in pages.pages():
            for span in pages.spans(page):
                quoted = re.findall(r'"(\$?[a-z_0-9]+)": ', span) if page.parent.name == "operate" else []
                way = re.fullmatch(r"[a-z_]+(\[\])?(\.[a-z_0-9]+(\[\])?)+", span)
                dotted = span.replace("[]", "").split(".") if way else []
                if dotted and (dotted[0] not in tops or dotted[-1] in ("json", "hpp", "cpp", "md")):
                    dotted = []  # a file, a setting of Linux
                for key in (*quoted, *dotted):
                    self.assertTrue(key in keys() or f'"{key}"' in answers, f"{pages.name(page)}: {span}")
                    seen += 1
        self.assertGreater(seen, 80)

    def test_words_of_the_code_are_in_the_code(self):
        """Events, states, reasons, columns of tables and benchmarks, by how they look."""
        files = [*(pages.TOP / "lib").rglob("*.[chjm]*"), *(pages.TOP / "app").rglob("*.[chjm]*"),
                 *(pages.TOP / "perf").rglob("meson.build"), *(pages.TOP / "scripts/install").glob("*")]
        code = "".join(file.read_text() for file in files)
        seen = 0
        for page in pages.pages():
            for span in pages.spans(page):
                word = span.removesuffix("_total") if page.parent.name == "operate" else ""
                if re.fullmatch(r"(?!net_)[a-z]+(_[a-z0-9]+)+|[A-Z]{2,} [A-Z ]*[A-Z]", word) or re.fullmatch(r"\w+_bench", span):
                    self.assertIn(word or span, code, pages.name(page))
                    seen += 1
        self.assertGreater(seen, 150)

    def test_metrics_and_maps_exist(self):
        told = (pages.TOP / "docs/operate/metrics.md").read_text()
        maps = "".join(file.read_text() for file in (pages.TOP / "lib/xdp").glob("*.[hc]*"))
        seen = 0
        for page in pages.pages():
            for word in re.findall(r"\bsluice_\w+", page.read_text()):
                known = re.search(rf"\b{word}", told) or re.search(rf"\b{word}\b", maps)
                self.assertTrue(known or word.startswith("sluice_0"), f"{pages.name(page)}: {word}")
                seen += 1
        self.assertGreater(seen, 50)


def built(program):
    """Whether the folder's meson.build makes a program of that name."""
    made = program.with_name("meson.build")
    return made.exists() and re.search(rf"'{program.name}'", made.read_text())


def braces(text):
    """As the shell expands {a,b}."""
    found = re.search(r"\{([^{}]*)\}", text)
    if not found:
        return [text]
    return [each for part in found[1].split(",") for each in braces(text[:found.start()] + part + text[found.end():])]


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=1)
