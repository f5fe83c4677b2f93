"""The short table at the end of the demonstration."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: which part of the suite, what was asked of it, what came out."""

    part: str
    what: str
    result: str


def table(findings: Sequence[Finding]) -> str:
    """The findings as aligned text; the name of a part stands once."""
    part_width = max(len(finding.part) for finding in findings)
    what_width = max(len(finding.what) for finding in findings)
    lines: list[str] = []
    last_part = ""
    for finding in findings:
        shown = "" if finding.part == last_part else finding.part
        lines.append(f"{shown:<{part_width}}  {finding.what:<{what_width}}  {finding.result}")
        last_part = finding.part
    return "\n".join(lines)
