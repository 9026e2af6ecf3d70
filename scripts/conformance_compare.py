"""Compares a report of the Autobahn cases with the file of what is expected.

usage: conformance_compare.py REPORT EXPECTED SECONDS

A line of the file names a case, or all below a number (12.*), the behaviour and the closing that are
expected, and why that is right. Cases without a line are expected to be OK in both; "cases" says how many
there are. UPDATE_EXPECT=1 writes the file anew: lines that still hold stay, new ones wait for their reason.
"""

import fnmatch
import json
import os
import sys
from pathlib import Path

OK = ("OK", "OK")
SHOWN = 20
NO_REASON = "?"


def read_expected(text):
    """The comment at the top, the number of cases, and {pattern: (outcome, reason)}."""
    lines = text.splitlines()
    comment = [line for line in lines if line.startswith("#")]
    count, expected = 0, {}
    for line in lines:
        if line.startswith("cases "):
            count = int(line.split()[1])
        elif line.strip() and not line.startswith("#"):
            pattern, behaviour, closing, reason = line.split(maxsplit=3)
            expected[pattern] = ((behaviour, closing), reason)
    return comment, count, expected


def outcome_of(case):
    return tuple(case[key].replace(" ", "-") for key in ("behavior", "behaviorClose"))


def of_case(expected, case):
    return next((entry for pattern, entry in expected.items() if fnmatch.fnmatchcase(case, pattern)), (OK, ""))


def updated(comment, expected, outcomes):
    def holds(pattern, outcome):
        found = {outcomes[case] for case in outcomes if fnmatch.fnmatchcase(case, pattern)}
        return found == {outcome}

    kept = {pattern: entry for pattern, entry in expected.items() if holds(pattern, entry[0])}
    for case, outcome in outcomes.items():
        if outcome != of_case(kept, case)[0]:
            kept[case] = (outcome, NO_REASON)
    lines = [f"{pattern:<8}{behaviour:<15}{closing:<15}{reason}" for pattern, ((behaviour, closing), reason) in kept.items()]
    return "\n".join([*comment, f"cases {len(outcomes)}", *lines, ""])


def in_words(text):
    return " ".join(str(text).split())


def main(report, path, seconds):
    (cases,) = json.loads((report / "index.json").read_text()).values()
    order = lambda case: [int(part) for part in case.split(".")]
    outcomes = {case: outcome_of(cases[case]) for case in sorted(cases, key=order)}
    comment, count, expected = read_expected(path.read_text())
    if os.environ.get("UPDATE_EXPECT") == "1":
        path.write_text(updated(comment, expected, outcomes))
        comment, count, expected = read_expected(path.read_text())

    faults = [f"{pattern} has no reason in {path}" for pattern, (_, reason) in expected.items() if reason == NO_REASON]
    if len(outcomes) != count:
        faults.append(f"{len(outcomes)} cases were run, {count} were expected")
    for case, outcome in outcomes.items():
        wanted, _ = of_case(expected, case)
        if outcome == wanted:
            continue
        details = json.loads((report / cases[case]["reportfile"]).read_text())
        faults.append(
            f"{case} is {' and closing '.join(outcome)}, expected {' and closing '.join(wanted)}\n"
            f"    case:     {in_words(details['description'])}\n"
            f"    expected: {in_words(details['expectation'])}\n"
            f"    result:   {in_words(details['result'])} Closing: {in_words(details['resultClose'])}"
        )
    for fault in faults[:SHOWN]:
        print(fault)
    if len(faults) > SHOWN:
        print(f"... and {len(faults) - SHOWN} more")
    good = sum(outcome == OK for outcome in outcomes.values())
    print(
        f"WebSocket conformance: {len(outcomes)} cases, {good} OK, {len(outcomes) - good} otherwise,"
        f" {len(faults)} not as expected, {seconds} s"
    )
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
