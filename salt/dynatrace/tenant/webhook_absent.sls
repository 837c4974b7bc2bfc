{#-
  Takes back what dynatrace.tenant.webhook has made and changed.

  Triggered by   dynatrace.tenant.absent.
  Changes        deletes the notification and the profile, or puts back what was there before;
                 where the tenant has none of these, deletes the workflow and what it needs.
  By hand        salt master01 state.apply dynatrace.tenant.webhook_absent test=True
                 salt master01 state.apply dynatrace.tenant.webhook_absent

  For each that pillar names, and for each that this minion has set and pillar names no more.
#}
{%- if 'dynatrace_tenant.webhook' in salt %}
{%- set back = salt['dynatrace_tenant.webhook'](take_back=True) %}
{%- else %}
{%- set back = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if back['problem'] %}
dynatrace-tenant-webhook-absent-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ back['problem'] | tojson }}
{%- elif not back['entries'] %}
dynatrace-tenant-webhook-absent-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: nothing of the kind is in pillar or remembered
{%- else %}
dynatrace-tenant-webhook-absent-chosen-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: {{ back['why'] | tojson }}
{%- for options in back['entries'] %}
dynatrace-tenant-webhook-absent-{{ loop.index }}:
  dynatrace_tenant.{{ back['state'] }}_absent:
    - name: {{ options['name'] | tojson }}
{%- endfor %}
{%- endif %}
