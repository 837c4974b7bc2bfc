{#-
  Lets a workflow of the platform tell this project's engine of problems.

  Triggered by   dynatrace.tenant.
  Changes        a workflow, its entry in the credential vault, and the host that it may call.
  By hand        salt master01 state.apply dynatrace.tenant.workflow test=True
                 salt master01 state.apply dynatrace.tenant.workflow
  Undone by      dynatrace.tenant.workflow_absent

  Without dynatrace:tenant:workflow nothing is done; dynatrace:tenant:webhook becomes a workflow by
  itself where the tenant has no notifications.
  What pillar holds is only ever a value: each goes through `tojson`. Tokens are not among them; the
  modules of the state read those themselves.
#}
{%- if 'dynatrace_tenant.asked' in salt %}
{%- set asked = salt['dynatrace_tenant.asked']('workflow') %}
{%- else %}
{%- set asked = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if asked['problem'] %}
dynatrace-tenant-workflow-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ asked['problem'] | tojson }}
{%- elif not asked['entries'] %}
dynatrace-tenant-workflow-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: dynatrace:tenant:workflow is not set, so it is left alone
{%- else %}
{%- for options in asked['entries'] %}
dynatrace-tenant-workflow-{{ loop.index }}:
  dynatrace_tenant.workflow_present:
{%- for key, value in options.items() %}
    - {{ key | tojson }}: {{ value | tojson }}
{%- endfor %}
{%- endfor %}
{%- endif %}
