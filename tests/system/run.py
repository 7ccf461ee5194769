# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of one file inside a lab: run.py FILE [COUNTS [-k PATTERN]]

Appends "PASSED FAILED SKIPPED" to COUNTS, and what failed to the file that STEP_FAILURES names. Exit status 0
when nothing failed and something ran.
"""
import importlib.util
import os
import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "scripts/lib")]


def main():
    file = pathlib.Path(sys.argv[1])
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    loader = unittest.TestLoader()
    if "-k" in sys.argv:
        loader.testNamePatterns = [f"*{sys.argv[sys.argv.index('-k') + 1]}*"]
    result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(loader.loadTestsFromModule(module))
    failed = len(result.failures) + len(result.errors)
    skipped = len(result.skipped)
    # A class that cannot be set up is an error without a run: never less than nothing passed.
    passed = max(0, result.testsRun - failed - skipped)
    if len(sys.argv) > 2 and sys.argv[2] != "-k":
        with open(sys.argv[2], "a") as counts:
            counts.write(f"{passed} {failed} {skipped}\n")
    if failed and "STEP_FAILURES" in os.environ:
        with open(os.environ["STEP_FAILURES"], "a") as failures:
            for test, trace in result.failures + result.errors:
                failures.write(f"failed: {test}\n" + "".join(f"  {line}\n" for line in trace.splitlines()[-20:]))
    return 0 if failed == 0 and passed + skipped > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
