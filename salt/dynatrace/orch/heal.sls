{#-
  Heals one service on one minion by hand, or has the engine take up a problem again.

  Changes        what the remedy of the service changes, on that minion; a service that serves is
                 left alone. With a display id the engine decides, by its usual rules, and its
                 reactor acts; the attempt is recorded and commented like every other.
  By hand        salt-run state.orchestrate dynatrace.orch.heal \
                   pillar='{"minion": "web01", "service": "apache2"}'
                 salt-run state.orchestrate dynatrace.orch.heal \
                   pillar='{"display_id": "P-2407114"}'
  test=True      asks the minion what its remedy would do, or says that the engine would be asked

  Further pillar: `timeout` (180 seconds, for the engine's attempt), `instance` (if several engines
  run). Every value goes through `tojson`, and is checked by the state that takes it.
#}
{%- set minion = salt['pillar.get']('minion', none) %}
{%- set service = salt['pillar.get']('service', none) %}
{%- set display_id = salt['pillar.get']('display_id', none) %}

{%- if display_id is not none and minion is none and service is none %}

dynatrace-orch-heal-dynatrace-orch-problem-healed:
  dynatrace_orch.problem_healed:
    - display_id: {{ display_id | tojson }}
    - timeout: {{ salt['pillar.get']('timeout', 180) | tojson }}
    - instance: {{ salt['pillar.get']('instance', none) | tojson }}

{%- elif display_id is none and (minion is not none or service is not none) %}

dynatrace-orch-heal-dynatrace-orch-remedied:
  dynatrace_orch.remedied:
    - minion: {{ minion | tojson }}
    - service: {{ service | tojson }}

{%- else %}

dynatrace-orch-heal-dynatrace-orch-refused:
  dynatrace_orch.refused:
    - comment: >-
        Say what to heal: pillar='{"minion": "web01", "service": "apache2"}' or
        pillar='{"display_id": "P-2407114"}', and not both.

{%- endif %}
