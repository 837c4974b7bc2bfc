{#-
  Breaks one service on one minion on purpose, and reports how long the engine took to heal it.

  Changes        stops or kills the service. What is not healed in time is brought back by the
                 minion itself, with the service's remedy; then the orchestration fails and says so.
  By hand        salt-run state.orchestrate dynatrace.orch.chaos \
                   pillar='{"minion": "web01", "service": "apache2", "how": "kill",
                            "dynatrace": {"chaos": {"allow": ["web01"]} } }'
  test=True      asks the engine whether the service may be broken, and breaks nothing

  The minion refuses unless its own configuration (a file on it, not its pillar) says
  `dynatrace_chaos: true`. Every minion counts as production, and is refused, unless a glob in the list
  `dynatrace:chaos:allow` fits its id: in the pillar that the master's own id gets, or with the call
  as above. It is also refused when the engine would not heal it now: no engine answers, it is
  paused or in dry run, its policy does not allow the minion, the master does not know its grain
  dynatrace:host_id, its budget or cooldown stands against it, a problem is open there already, or
  no reactor is mapped to the service's remedy.

  Further pillar: `how` (stop or kill; stop), `timeout` (120 seconds until the service is brought
  back), `instance` (if several engines run).
#}
{%- set minion = salt['pillar.get']('minion', none) %}
{%- set service = salt['pillar.get']('service', none) %}
{%- set instance = salt['pillar.get']('instance', none) %}

dynatrace-orch-chaos-dynatrace-orch-may-be-broken:
  dynatrace_orch.may_be_broken:
    - minion: {{ minion | tojson }}
    - service: {{ service | tojson }}
    - allow: {{ salt['pillar.get']('dynatrace:chaos:allow', []) | tojson }}
    - instance: {{ instance | tojson }}

dynatrace-orch-chaos-dynatrace-orch-outage-healed:
  dynatrace_orch.outage_healed:
    - minion: {{ minion | tojson }}
    - service: {{ service | tojson }}
    - how: {{ salt['pillar.get']('how', 'stop') | tojson }}
    - timeout: {{ salt['pillar.get']('timeout', 120) | tojson }}
    - instance: {{ instance | tojson }}
    - require:
        - dynatrace_orch: dynatrace-orch-chaos-dynatrace-orch-may-be-broken
