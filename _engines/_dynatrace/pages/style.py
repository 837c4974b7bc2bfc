"""
The look of all pages: one sheet, for light and dark, from a phone to a wall.

A state is told by a word and by the shape of its mark, and by colour only beside them: ``good`` (a tick), ``bad`` (a
cross), ``warn`` (a triangle), ``busy`` (a ring), ``quiet`` (a dash). In SVG the classes ``fill-…`` and ``line-…`` give these
colours, since a ``style`` attribute is not allowed.
"""

from __future__ import annotations

#: Light, dark. Each text colour has a contrast of 4.5 and more on ground, card and its soft colour; a test computes it.
COLOURS = {
    "ground": ("#f6f6f4", "#15171a"),
    "card": ("#ffffff", "#1d2024"),
    "ink": ("#1b1d20", "#e7e9ec"),
    "quiet": ("#565c65", "#a5acb6"),
    "line": ("#d9dbde", "#353a41"),
    "edge": ("#7b828c", "#757d88"),
    "link": ("#0a55ad", "#8db8fb"),
    "good": ("#17653a", "#86d6a2"),
    "bad": ("#a8201a", "#ffa198"),
    "warn": ("#7f4c00", "#efbb62"),
    "busy": ("#0a55ad", "#8db8fb"),
    "good-soft": ("#e4f2e9", "#1c2f24"),
    "bad-soft": ("#fbe9e7", "#3a2321"),
    "warn-soft": ("#faeed8", "#352b19"),
    "busy-soft": ("#e6effa", "#1e2b3d"),
    "quiet-soft": ("#ebecee", "#2a2e34"),
}
STATES = ("good", "bad", "warn", "busy", "quiet")


def _palette(scheme: int) -> str:
    return "".join(f"--{name}:{both[scheme]};" for name, both in COLOURS.items())


def _by_state(rule: str) -> str:
    return "".join(rule.replace("STATE", state) for state in STATES)


STYLE = (
    f":root{{color-scheme:light dark;{_palette(0)}}}\n"
    f"@media (prefers-color-scheme:dark){{:root{{{_palette(1)}}}}}\n"
    """\
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scrollbar-gutter:stable}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
.page{max-width:76rem;margin:0 auto;padding:1.25rem 1.25rem 3rem}
h1{font-size:1rem;font-weight:600;margin:0}
h2{font-size:1.0625rem;font-weight:600;margin:0 0 .625rem}
h3{font-size:1rem;font-weight:600;margin:0}
p{margin:0 0 .5rem}
a{color:var(--link);text-underline-offset:.15em}
code,pre,.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.875em}
code{overflow-wrap:anywhere}
:focus-visible{outline:3px solid var(--link);outline-offset:2px;border-radius:2px}
section{margin-top:2rem}
bdi,td,li,dd{overflow-wrap:anywhere}
.quiet{color:var(--quiet)}
.small,.day{font-size:.875rem}
.day{color:var(--quiet);white-space:nowrap}
time{white-space:nowrap}
.unseen{position:absolute;width:1px;height:1px;margin:-1px;padding:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:1rem 1.125rem}
.card+.card{margin-top:.75rem}
table{width:100%;border-collapse:collapse;background:var(--card);border:1px solid var(--line);border-radius:.5rem}
caption{text-align:left;color:var(--quiet);font-size:.875rem;padding:0 0 .5rem}
th{text-align:left;font-size:.875rem;font-weight:500;color:var(--quiet)}
th,td{padding:.5rem .75rem;vertical-align:top;border-top:1px solid var(--line)}
thead th{border-top:0}
td.number,th.number{text-align:right;white-space:nowrap}
td.where{width:10rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:0}
dt{color:var(--quiet)}
dd{margin:0}
.state{display:inline-flex;align-items:baseline;gap:.4em;font-weight:600;white-space:nowrap}
.mark{width:.8125em;height:.8125em;flex:none;fill:none;stroke:currentColor;stroke-width:2.5;stroke-linecap:round;stroke-linejoin:round}
svg text{font:inherit;font-size:.8125rem;fill:var(--ink)}
svg .note{fill:var(--quiet)}
svg .grid{stroke:var(--line);fill:none}
svg .ground{fill:var(--card)}
svg .halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
svg.timeline,svg.plot{display:block;max-width:100%;height:auto}
svg .edge{stroke:var(--edge);fill:none}
figure{margin:0}
@media (max-width:46rem){
.page{padding:.875rem .875rem 2.5rem}
table.stack thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table.stack,table.stack tbody,table.stack caption{display:block}
table.stack caption{padding:.625rem .75rem;border-bottom:1px solid var(--line)}
table.stack tr{display:block;padding:.625rem .75rem;border-top:1px solid var(--line)}
table.stack tbody tr:first-child{border-top:0}
table.stack td,table.stack th{display:block;width:auto;padding:.0625rem 0;border:0;text-align:left}
table.stack [data-label]::before{content:attr(data-label) ": ";color:var(--quiet);font-weight:400}
dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:.375rem}
}
@media (prefers-reduced-motion:reduce){*,::before,::after{animation:none!important;transition:none!important;scroll-behavior:auto!important}}
"""
    + _by_state(
        ".STATE-ink{color:var(--STATE)}.soft-STATE{background:var(--STATE-soft);border-color:var(--STATE)}"
        "svg .fill-STATE{fill:var(--STATE)}svg .soft-fill-STATE{fill:var(--STATE-soft)}"
        "svg .line-STATE{stroke:var(--STATE);fill:none}\n"
    )
)

#: The shapes of the marks, in a box of 16 by 16.
SHAPES = {
    "good": '<path d="M2 9l4 4 8-10"/>',
    "bad": '<path d="M3 3l10 10M13 3L3 13"/>',
    "warn": '<path d="M8 2l6.5 12h-13zM8 6.5v3"/>',
    "busy": '<circle cx="8" cy="8" r="5.5"/><path d="M8 5v3l2 1.5"/>',
    "quiet": '<path d="M3 8h10"/>',
}
