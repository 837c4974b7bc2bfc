{#-
  Sets up hosts and tenant for this project, and checks that each step took.

  Changes        on each minion what dynatrace.oneagent changes; in the Dynatrace environment what
                 dynatrace.tenant changes. A second run changes nothing.
  By hand        salt-run state.orchestrate dynatrace.orch.setup \
                   pillar='{"minions": ["web01", "web02"], "via": "salt01"}' test=True
                 and without test=True
  Undone by      dynatrace.orch.teardown

  Pillar with the call:

    minions        list of the minions' whole ids
    via            the minion that asks the tenant; it has dynatrace:settings_token or
                   dynatrace:oauth, and dynatrace:tenant in its pillar. Without it the master asks,
                   with `dynatrace:` in its own configuration or pillar
    timeout        seconds that the tenant gets to notice a new host; 600
    wait           seconds that it gets, after that, to know the process groups that
                   dynatrace:tenant:process_alerting names; 600, and 0 does not wait

  What the minions are to have stands in their pillar, which pillar.example explains; a token has
  no place in the call, since Salt keeps that in the job cache.
#}
{%- set minions = salt['pillar.get']('minions', none) %}
{%- set via = salt['pillar.get']('via', none) %}
{%- if via is none %}
include:
  - dynatrace.tenant
{%- else %}
{#- The catalogue of remedies is the master's; the minion needs its units. -#}
{%- set units = salt['dynatrace_tenant.asked']('os_services') %}
{%- set handed_on = {'dynatrace_os_services': units['entries']} %}
{%- endif %}

dynatrace-orch-setup-dynatrace-setup-targets-known:
  dynatrace_setup.targets_known:
    - minions: {{ minions | tojson }}
    - via: {{ via | tojson }}

dynatrace-orch-setup-dynatrace-setup-synced:
  dynatrace_setup.synced:
    - minions: {{ minions | tojson }}
    - via: {{ via | tojson }}
    - require:
        - dynatrace_setup: dynatrace-orch-setup-dynatrace-setup-targets-known

dynatrace-orch-setup-dynatrace-setup-applied-oneagent:
  dynatrace_setup.applied:
    - minions: {{ minions | tojson }}
    - sls: dynatrace.oneagent
    - require:
        - dynatrace_setup: dynatrace-orch-setup-dynatrace-setup-synced

# The grain is the master's way to the host, and the tenant must know it before it is asked for its
# process groups.
dynatrace-orch-setup-dynatrace-setup-hosts-known:
  dynatrace_setup.hosts_known:
    - minions: {{ minions | tojson }}
    - via: {{ via | tojson }}
    - timeout: {{ salt['pillar.get']('timeout', 600) | tojson }}
    - require:
        - dynatrace_setup: dynatrace-orch-setup-dynatrace-setup-applied-oneagent
{%- if via is none %}
    - require_in:
        - sls: dynatrace.tenant.webhook
        - sls: dynatrace.tenant.workflow
        - sls: dynatrace.tenant.process_alerting
        - sls: dynatrace.tenant.os_services
        - sls: dynatrace.tenant.maintenance_windows
{%- endif %}

# A new OneAgent needs minutes until the tenant knows what runs beside it.
dynatrace-orch-setup-dynatrace-setup-groups-awaited:
  dynatrace_setup.groups_awaited:
    - via: {{ via | tojson }}
    - wait: {{ salt['pillar.get']('wait', 600) | tojson }}
    - require:
        - dynatrace_setup: dynatrace-orch-setup-dynatrace-setup-hosts-known
{%- if via is none %}
    - require_in:
        - sls: dynatrace.tenant.process_alerting
{%- else %}

dynatrace-orch-setup-dynatrace-setup-applied-tenant:
  dynatrace_setup.applied:
    - minions: {{ [via] | tojson }}
    - sls: dynatrace.tenant
    - pillar: {{ handed_on | tojson }}
    - require:
        - dynatrace_setup: dynatrace-orch-setup-dynatrace-setup-groups-awaited
{%- endif %}

# Needs nothing of the above: it tells in any case whether the engine can be reached.
dynatrace-orch-setup-dynatrace-setup-notification-heard:
  dynatrace_setup.notification_heard: []
