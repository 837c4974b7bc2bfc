"""
Draws the pictures of the tutorial from what a run of the demo printed.

    TRANSCRIPT=docs/images/demo.txt make demo
    python -m tests.demo.draw docs/images

It reads `demo.txt` there and writes `setup.svg`, `healing.svg` and `timeline.svg` beside it.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

STEP = re.compile(r" *(\d+\.\d\d) s  (.{22}) (.*)")
#: Of a character of the terminal, and around its text.
WIDE, HIGH, MARGIN = 8, 19, 16
FONT = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BACK, PLAIN, DIM, CHANGED, GOOD = "#1b1f27", "#d8dee9", "#7d8899", "#e5c07b", "#98c379"
#: In the timeline: what the tenant does, what Salt does, and the outage.
TENANT, SALT, OUTAGE = "#6f6bd8", "#2f7f86", "#c0563c"
OF_TENANT = ("noticed", "problem opened", "notification accepted", "problem closed")


@dataclass(frozen=True)
class Step:
    """
    One line of the demo that tells a step: seconds, name, detail.
    """

    at: float
    name: str
    detail: str


def steps(text: str) -> list[Step]:
    """
    Return the steps that a text tells.
    """
    found = (STEP.fullmatch(line) for line in text.splitlines())
    return [Step(float(one[1]), one[2].strip(), one[3].strip()) for one in found if one]


def parts(transcript: str) -> tuple[str, str]:
    """
    Return what was told of the setup and of the healing, without what is of this run alone.
    """
    before, _, healing = transcript.partition("\nStopping apache2")
    setup = before[before.index("The tenant ") :]
    healing, _, _ = healing.partition("\nStopping Salt")
    return setup.strip("\n"), f"Stopping apache2{healing}".strip("\n")


def terminal(text: str) -> str:
    """
    Return a picture of a terminal with this text.
    """
    lines = text.splitlines()
    width = max(map(len, lines)) * WIDE + 2 * MARGIN
    height = len(lines) * HIGH + 2 * MARGIN
    drawn = [
        f'<text x="{MARGIN}" y="{MARGIN + (at + 1) * HIGH - 5}" xml:space="preserve" '
        f'fill="{_colour(line)}">{_shown(line)}</text>'
        for at, line in enumerate(lines)
        if line.strip()
    ]
    return _picture(
        width,
        height,
        FONT,
        13,
        [f'<rect width="100%" height="100%" rx="8" fill="{BACK}"/>', *drawn],
    )


def timeline(told: list[Step]) -> str:
    """
    Return a picture of the steps over the seconds, with the time in which nothing was served.
    """
    left, top, wide, row = 190, 44, 620, 26
    end = max(step.at for step in told) * 1.02 or 1.0
    height = top + row * len(told) + 40
    at = {step.name: left + step.at / end * wide for step in told}
    out = at["serving again"] - at["stopped"]
    drawn = [
        '<rect width="100%" height="100%" rx="8" fill="#ffffff"/>',
        f'<rect x="{at["stopped"]:.1f}" y="24" width="{out:.1f}" height="{height - 60}" fill="{OUTAGE}" opacity="0.12"/>',
        f'<text x="{at["stopped"] + 4:.1f}" y="18" fill="{OUTAGE}">no answer from apache2</text>',
    ]
    for number, step in enumerate(told):
        y = top + number * row
        colour = TENANT if step.name in OF_TENANT else SALT
        colour = OUTAGE if step.name == "stopped" else colour
        drawn += [
            f'<line x1="{left}" y1="{y}" x2="{left + wide}" y2="{y}" stroke="#e3e6ea"/>',
            f'<text x="{left - 14}" y="{y + 4}" text-anchor="end" fill="#222">{_shown(step.name)}</text>',
            f'<circle cx="{at[step.name]:.1f}" cy="{y}" r="6" fill="{colour}"/>',
            f'<text x="{at[step.name] + 11:.1f}" y="{y + 4}" fill="#555">{step.at:.2f} s</text>',
        ]
    y = height - 14
    drawn += [
        f'<text x="{left}" y="{y}" fill="{TENANT}">● Dynatrace</text>',
        f'<text x="{left + 110}" y="{y}" fill="{SALT}">● Salt</text>',
    ]
    return _picture(left + wide + 80, height, "system-ui, sans-serif", 13, drawn)


def draw(directory: Path) -> dict[Path, str]:
    """
    Return the pictures of the transcript in a directory, by their paths.
    """
    setup, healing = parts((directory / "demo.txt").read_text(encoding="utf-8"))
    return {
        directory / "setup.svg": terminal(setup),
        directory / "healing.svg": terminal(healing),
        directory / "timeline.svg": timeline(steps(healing)),
    }


def main() -> None:
    """
    Write the pictures.
    """
    for path, text in draw(Path(sys.argv[1])).items():
        path.write_text(text, encoding="utf-8")


def _picture(width: int, height: int, font: str, size: int, drawn: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="{escape(font)}" font-size="{size}">'
    )
    return "\n".join([head, *drawn, "</svg>", ""])


def _shown(text: str) -> str:
    # What XML cannot hold is nothing that a terminal would show.
    return escape(re.sub(r"[^\t\x20-\ud7ff\ue000-\ufffd]", "\ufffd", text))


def _colour(line: str) -> str:
    if not STEP.fullmatch(line):
        return PLAIN if line.startswith("  ") else DIM
    if " changed  " in line:
        return CHANGED
    return DIM if " as it is " in line else GOOD


if __name__ == "__main__":
    main()
