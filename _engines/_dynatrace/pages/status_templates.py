"""
The templates of the status page's parts, and of what stands around them.
"""

from __future__ import annotations

from .document import template

HEAD = template(
    """\
<div id="head" data-key="head" data-title="{{ title }}" data-build="{{ build }}" class="tiles">
<section class="card tile soft-{{ problems.kind }}" aria-labelledby="h-problems">
<h2 id="h-problems">Problems</h2>
<p class="big" role="status">{{ problems.said | state(problems.kind) }}</p>
<ul class="counts">
{% for said, kind in problems.counts %}
<li>{{ said | state(kind) }}</li>
{% endfor %}
</ul>
</section>
<section class="card tile soft-{{ acting.kind }}" aria-labelledby="h-acting">
<h2 id="h-acting">Acting</h2>
<p class="big" role="status">{{ acting.said | state(acting.kind) }}</p>
{% if paused %}
<p>{{ paused.who | cut(60) }}, since {{ paused.since | moment(day) }}: <bdi>{{ paused.reason | cut(200) }}</bdi></p>
<p class="order">To go on: <code>salt-run dynatrace.resume</code></p>
{% else %}
<p>{{ acting.more }}</p>
<p class="order">To stop it: <code>salt-run dynatrace.pause reason='…'</code></p>
{% endif %}
</section>
<section class="card tile soft-{{ engine.kind }}" aria-labelledby="h-engine">
<h2 id="h-engine">Engine</h2>
<p class="big" role="status">{{ engine.said | state(engine.kind) }}</p>
{% for one in engine.faults %}
<p>{{ one | cut(200) }}</p>
{% endfor %}
<p class="quiet small">{{ instance }} {{ version }}{% if last_poll %}, read Dynatrace at {{ last_poll | moment(day) }}{% endif %}</p>
</section>
</div>
"""
)

NOW = template(
    """\
<section id="now" data-key="now" aria-labelledby="h-now">
<h2 id="h-now">Being healed now</h2>
{% for one in attempts %}
<article class="card" data-key="attempt-{{ one.attempt_id }}">
<h3>{{ link(one) }} <span class="quiet">attempt {{ one.number }}{% if one.remedy %} by {{ one.remedy }}{% endif %} on {{ one.minions | cut(120) }}</span></h3>
<ol class="steps">
{% for step in one.steps %}
<li class="step {{ step.look }}">
{{ step.said | state(step.kind) }}
<span class="quiet">{% if step.at %}{{ step.at | moment(day) }}{% elif step.next %}is awaited{% else %}not yet{% endif %}</span>
{% if step.note %}
<span class="quiet small mono">{{ step.note }}</span>
{% endif %}
</li>
{% endfor %}
</ol>
</article>
{% else %}
<p class="quiet">Nothing is being healed.</p>
{% endfor %}
{% if more %}
<p class="quiet">And {{ more }} more attempts.</p>
{% endif %}
</section>
"""
)

OPEN = template(
    """\
<section id="open" data-key="open" aria-labelledby="h-open">
<h2 id="h-open">Open problems</h2>
{% if open %}
<table class="stack">
<caption>{{ said }}</caption>
<thead><tr><th scope="col" class="c-problem">Problem</th><th scope="col" class="c-state">State</th><th scope="col">Why</th><th scope="col" class="c-where">Where</th><th scope="col" class="c-since">Since</th></tr></thead>
<tbody>
{% for one in open %}
<tr data-key="problem-{{ one.key }}">
<th scope="row">{{ link(one) }} <bdi class="title">{{ one.title | cut(160) }}</bdi></th>
<td>{{ one.word | state(one.kind) }}</td>
<td>{{ one.why }}</td>
<td data-label="Where">{{ one.where | cut(120) }}</td>
<td data-label="Since" class="ago">{{ one.opened | moment(day) }}</td>
</tr>
{% endfor %}
</tbody>
</table>
{% if more %}
<p class="more">{{ more }}</p>
{% endif %}
{% else %}
<p class="quiet">{{ 'None is known.' if count is none else 'Dynatrace shows none.' }}</p>
{% endif %}
</section>
"""
)

HEALS = template(
    """\
<section id="heals" data-key="heals" aria-labelledby="h-heals">
<h2 id="h-heals">Healed last</h2>
{% for one in heals %}
<details class="card" data-key="heal-{{ one.key }}"{{ ' open' if loop.first }}>
<summary><span class="heal">{{ one.said | state(one.kind) }} <span class="quiet">{{ one.how }}{% if one.at %}, at {{ one.at | moment(day) }}{% endif %}</span></span></summary>
<p class="small">{{ link(one) }} <bdi>{{ one.title | cut(160) }}</bdi></p>
<figure class="wide">{{ one.wide }}</figure>
<figure class="narrow">{{ one.narrow }}</figure>
</details>
{% else %}
<p class="quiet">Nothing was healed yet.</p>
{% endfor %}
</section>
"""
)

RECENT = template(
    """\
<section id="recent" data-key="recent" aria-labelledby="h-recent">
<h2 id="h-recent">The last 24 hours</h2>
{% if said %}
<div class="card">
<p>{{ said }}</p>
<figure class="wide">{{ wide }}</figure>
<figure class="narrow">{{ narrow }}</figure>
<details data-key="figures"><summary>Figures</summary>
{{ table }}
</details>
</div>
{% else %}
<p class="quiet">No problem was seen.</p>
{% endif %}
</section>
"""
)

BODY = template(
    """\
<div class="page">
<header class="top">
<h1>Dynatrace problems, healed by Salt</h1>
<p id="live" class="quiet small">As of {{ told_at | moment(told_at[:10]) }} UTC. Reload to see newer.</p>
</header>
<main>
{% for part in parts %}
{{ part }}
{% endfor %}
</main>
<footer class="quiet small" data-key="foot">
<p>All times are UTC. Each rule of a decision: <code>salt-run dynatrace.why P-…</code>. A problem as one file: <code>salt-run dynatrace.report P-…</code>. What was done lately: <code>salt-run dynatrace.history</code>.</p>
</footer>
<p id="stale" class="stale" role="alert" hidden></p>
</div>
"""
)
