{#-
  Takes back what dynatrace.tenant.process_alerting has made and changed.

  Triggered by   dynatrace.tenant.absent.
  Changes        takes the setting away where there was none, and puts back what was there before.
  By hand        salt master01 state.apply dynatrace.tenant.process_alerting_absent test=True
                 salt master01 state.apply dynatrace.tenant.process_alerting_absent

  For each that pillar names, and for each that this minion has set and pillar names no more.
#}
{%- if 'dynatrace_tenant.to_take_back' in salt %}
{%- set back = salt['dynatrace_tenant.to_take_back']('process_alerting') %}
{%- else %}
{%- set back = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if back['problem'] %}
dynatrace-tenant-process-alerting-absent-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ back['problem'] | tojson }}
{%- elif not back['entries'] %}
dynatrace-tenant-process-alerting-absent-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: nothing of the kind is in pillar or remembered
{%- else %}
{%- for options in back['entries'] %}
dynatrace-tenant-process-alerting-absent-{{ loop.index }}:
  dynatrace_tenant.process_alerting_absent:
    - name: {{ options['name'] | tojson }}
{%- endfor %}
{%- endif %}
