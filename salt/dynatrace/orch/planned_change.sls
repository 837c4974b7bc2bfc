{#-
  Announces a planned change to Dynatrace, makes it, and ends the announcement.

  Triggered by   nothing; it is run on the master, by hand or by a schedule.
  Changes        opens a maintenance window for the hosts of the targets, runs a highstate (or the
                 named states) on them, and ends the window, whatever became of the states. If the
                 master dies meanwhile, the window ends by itself when its minutes are over.
  By hand        salt-run state.orchestrate dynatrace.orch.planned_change \
                   pillar='{"dynatrace": {"planned_change":
                            {"targets": ["web01"], "minutes": 20} } }'
                 and with test=True behind it, to see what it would do.

  Below dynatrace:planned_change:

    targets        minion ids, no patterns; each with the grain dynatrace:host_id
    minutes        after which the window ends by itself; default 30, at most 1440
    sls            a state or a list of them; default: a highstate
    via            a minion that reaches Dynatrace and has dynatrace:settings_token in its pillar;
                   without it the master itself asks Dynatrace, with the token of its configuration
    name           of the window; default: one of its own for each run
    suppression    default DONT_DETECT_PROBLEMS

  Nothing is changed on a target unless the window is open. The last step requires nothing, so that
  it runs whatever failed before it; only `failhard` in the master's configuration prevents that.
  With a number as `queue` a job waits on its minion behind other state runs; with `true` it would
  be kept for later, and the window be ended before the change.
#}
{%- set given = salt['pillar.get']('dynatrace:planned_change', {}) %}
{%- set plan = salt['dynatrace_tenant.planned_change'](given) %}
{%- set change = {'dynatrace': {'change': plan} } %}
{%- if plan['problem'] %}
dynatrace-orch-planned-change-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ plan['problem'] | tojson }}
{%- else %}
dynatrace-orch-planned-change-announced:
{%- if plan['via'] %}
  salt.state:
    - tgt: {{ [plan['via']] | tojson }}
    - tgt_type: list
    - sls:
        - dynatrace.tenant.planned_change
    - queue: 100
    - pillar: {{ change | tojson }}
{%- else %}
  dynatrace_tenant.planned_change_present:
    - name: {{ plan['name'] | tojson }}
    - hosts: {{ plan['hosts'] | tojson }}
    - minutes: {{ plan['minutes'] | tojson }}
    - suppression: {{ plan['suppression'] | tojson }}
{%- endif %}

dynatrace-orch-planned-change-states:
  salt.state:
    - tgt: {{ plan['targets'] | tojson }}
    - tgt_type: list
    - queue: 100
{%- if plan['sls'] %}
    - sls: {{ plan['sls'] | tojson }}
{%- else %}
    - highstate: true
{%- endif %}
    - require:
        - id: dynatrace-orch-planned-change-announced

dynatrace-orch-planned-change-ended:
{%- if plan['via'] %}
  salt.state:
    - tgt: {{ [plan['via']] | tojson }}
    - tgt_type: list
    - sls:
        - dynatrace.tenant.planned_change_absent
    - queue: 100
    - pillar: {{ change | tojson }}
{%- else %}
  dynatrace_tenant.planned_change_absent:
    - name: {{ plan['name'] | tojson }}
{%- endif %}
{%- endif %}
