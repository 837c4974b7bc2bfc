{#-
  Lets Dynatrace notify this project's engine of problems.

  Triggered by   dynatrace.tenant.
  Changes        an alerting profile and a notification in Dynatrace; where the tenant has none of
                 these, a workflow, its entry in the credential vault, and the host that it may call.
  By hand        salt master01 state.apply dynatrace.tenant.webhook test=True
                 salt master01 state.apply dynatrace.tenant.webhook
  Undone by      dynatrace.tenant.webhook_absent

  Without dynatrace:tenant:webhook nothing is done. The tenant is asked what it has.
  What pillar holds is only ever a value: each goes through `tojson`. Tokens are not among them; the
  modules of the state read those themselves.
#}
{%- if 'dynatrace_tenant.webhook' in salt %}
{%- set asked = salt['dynatrace_tenant.webhook']() %}
{%- else %}
{%- set asked = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if asked['problem'] %}
dynatrace-tenant-webhook-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ asked['problem'] | tojson }}
{%- elif not asked['entries'] %}
dynatrace-tenant-webhook-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: dynatrace:tenant:webhook is not set, so it is left alone
{%- else %}
dynatrace-tenant-webhook-chosen-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: {{ asked['why'] | tojson }}
{%- for options in asked['entries'] %}
dynatrace-tenant-webhook-{{ loop.index }}:
  dynatrace_tenant.{{ asked['state'] }}_present:
{%- for key, value in options.items() %}
    - {{ key | tojson }}: {{ value | tojson }}
{%- endfor %}
{%- endfor %}
{%- endif %}
