{#-
  Takes back what dynatrace.orch.setup has set up: first in the tenant, then on the hosts.

  Changes        in the Dynatrace environment what dynatrace.tenant.absent changes; on each minion
                 the OneAgent is uninstalled, also one that was there before the setup.
  By hand        salt-run state.orchestrate dynatrace.orch.teardown \
                   pillar='{"minions": ["web01", "web02"], "via": "salt01"}' test=True
                 and without test=True

  The pillar is that of dynatrace.orch.setup. A host that is alerted on is not uninstalled: if the
  tenant cannot be changed, nothing is done on the minions.
#}
{%- set minions = salt['pillar.get']('minions', none) %}
{%- set via = salt['pillar.get']('via', none) %}
{%- if via is none %}
include:
  - dynatrace.tenant.absent
{%- else %}
{%- set units = salt['dynatrace_tenant.asked']('os_services') %}
{%- set handed_on = {'dynatrace_os_services': units['entries']} %}
{%- endif %}

dynatrace-orch-teardown-dynatrace-setup-targets-known:
  dynatrace_setup.targets_known:
    - minions: {{ minions | tojson }}
    - via: {{ via | tojson }}
{%- if via is none %}
    - require_in:
        - sls: dynatrace.tenant.maintenance_windows_absent
        - sls: dynatrace.tenant.os_services_absent
        - sls: dynatrace.tenant.process_alerting_absent
        - sls: dynatrace.tenant.webhook_absent
        - sls: dynatrace.tenant.workflow_absent
{%- else %}

dynatrace-orch-teardown-dynatrace-setup-applied-tenant:
  dynatrace_setup.applied:
    - minions: {{ [via] | tojson }}
    - sls: dynatrace.tenant.absent
    - pillar: {{ handed_on | tojson }}
    - require:
        - dynatrace_setup: dynatrace-orch-teardown-dynatrace-setup-targets-known
{%- endif %}

dynatrace-orch-teardown-dynatrace-setup-applied-oneagent:
  dynatrace_setup.applied:
    - minions: {{ minions | tojson }}
    - sls: dynatrace.oneagent.absent
    - require:
        - dynatrace_setup: dynatrace-orch-teardown-dynatrace-setup-targets-known
{%- if via is none %}
        - sls: dynatrace.tenant.maintenance_windows_absent
        - sls: dynatrace.tenant.os_services_absent
        - sls: dynatrace.tenant.process_alerting_absent
        - sls: dynatrace.tenant.webhook_absent
        - sls: dynatrace.tenant.workflow_absent
{%- else %}
        - dynatrace_setup: dynatrace-orch-teardown-dynatrace-setup-applied-tenant
{%- endif %}
