"""
The look of the status page alone.
"""

from __future__ import annotations

STATUS_STYLE = """\
main{overflow-anchor:none}
.top{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:.25rem 1rem;margin-bottom:1rem}
.top p{margin:0}
#live{width:20rem}
#live::before{content:"";display:inline-block;width:.5em;height:.5em;margin-right:.5em;border-radius:50%;border:2px solid var(--quiet)}
#live.is-live::before{background:var(--good);border-color:var(--good)}
.tiles{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:.75rem}
.tiles section{margin:0}
.tiles .card+.card{margin-top:0}
.tile{display:flex;flex-direction:column;min-height:10.5rem}
.tile p{margin:0 0 .25rem}
.tiles h2{font-size:.875rem;font-weight:500;color:var(--quiet);margin:0}
.tile.soft-good,.tile.soft-busy,.tile.soft-quiet{background:var(--card);border-color:var(--line)}
.soft-bad h2,.soft-warn h2,.soft-bad .quiet,.soft-warn .quiet,.soft-bad .day,.soft-warn .day{color:inherit}
.big{font-size:1.625rem;line-height:1.3;font-weight:600;letter-spacing:-.01em}
.big .state{gap:.4em;white-space:normal}
.counts{margin:.25rem 0 0;padding:0;list-style:none}
.counts .state{font-weight:400}
.tile .order{margin-top:auto;padding-top:.625rem;margin-bottom:0}
table{table-layout:fixed}
.c-problem{width:30%}
.c-state{width:17%}
.c-where{width:13%}
.c-since{width:9.5rem}
tbody th{font-size:1rem;color:var(--ink);font-weight:600}
tbody th .title{display:block;font-weight:400}
td{font-size:.9375rem}
td .state{white-space:normal}
.steps{list-style:none;margin:.625rem 0 0;padding:0;display:grid;grid-template-columns:repeat(4,minmax(0,1fr));gap:.5rem}
.step{border-top:3px solid var(--line);padding-top:.375rem;display:flex;flex-direction:column}
.step.done{border-top-color:var(--good)}
.step.next{border-top-color:var(--busy)}
.step .state{white-space:normal}
h3 .quiet{font-weight:400}
.ago time::after{content:attr(data-ago);display:block;color:var(--quiet);font-size:.875rem}
summary{cursor:pointer}
summary::marker{color:var(--quiet)}
details[open] summary{margin-bottom:.5rem}
summary .state{white-space:normal}
.heal{display:inline-flex;flex-wrap:wrap;gap:0 .75rem;vertical-align:top;max-width:calc(100% - 1.5rem)}
.narrow{display:none}
.more{margin-top:.75rem}
footer{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:.75rem}
.stale{position:fixed;left:0;right:0;bottom:0;margin:0;padding:.75rem 1.25rem;text-align:center;font-weight:600;background:var(--bad-soft);color:var(--bad);border-top:2px solid var(--bad)}
@media (max-width:60rem){
.tiles{grid-template-columns:1fr}
.tile{min-height:0}
}
@media (max-width:46rem){
.wide{display:none}
.narrow{display:block}
#live{width:auto}
.steps{grid-template-columns:1fr;gap:.375rem}
.step{border-top:0;border-left:3px solid var(--line);padding:0 0 0 .625rem;flex-direction:row;flex-wrap:wrap;gap:0 .75rem}
.step.done{border-left-color:var(--good)}
.step.next{border-left-color:var(--busy)}
table.stack .ago time::after{display:inline;margin-left:.5em}
}
"""
