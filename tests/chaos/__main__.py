"""The long form; it prints a report, and its exit code tells whether all is well."""

from __future__ import annotations

import argparse
import sys

from tests.chaos.trial import Plan, try_out


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--fits", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    outcome = try_out(Plan(arguments.fits, 60 * arguments.minutes, arguments.seed))
    print(outcome)
    return 0 if outcome.is_good else 1


sys.exit(main())
