{#-
  Lets Dynatrace open a problem when a process of the named process groups is gone.

  Triggered by   dynatrace.tenant.
  Changes        the availability alerting of these process groups in Dynatrace, off by default.
  By hand        salt master01 state.apply dynatrace.tenant.process_alerting test=True
                 salt master01 state.apply dynatrace.tenant.process_alerting
  Undone by      dynatrace.tenant.process_alerting_absent

  One state for each entry of dynatrace:tenant:process_alerting.
  What pillar holds is only ever a value: each goes through `tojson`. Tokens are not among them; the
  modules of the state read those themselves.
#}
{%- if 'dynatrace_tenant.asked' in salt %}
{%- set asked = salt['dynatrace_tenant.asked']('process_alerting') %}
{%- else %}
{%- set asked = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if asked['problem'] %}
dynatrace-tenant-process-alerting-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ asked['problem'] | tojson }}
{%- elif not asked['entries'] %}
dynatrace-tenant-process-alerting-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: dynatrace:tenant:process_alerting is not set, so it is left alone
{%- else %}
{%- for options in asked['entries'] %}
dynatrace-tenant-process-alerting-{{ loop.index }}:
  dynatrace_tenant.process_alerting_present:
{%- for key, value in options.items() %}
    - {{ key | tojson }}: {{ value | tojson }}
{%- endfor %}
{%- endfor %}
{%- endif %}
