{#-
  Takes back what dynatrace.tenant.maintenance_windows has made and changed.

  Triggered by   dynatrace.tenant.absent.
  Changes        deletes these maintenance windows, or puts back what was there before.
  By hand        salt master01 state.apply dynatrace.tenant.maintenance_windows_absent test=True
                 salt master01 state.apply dynatrace.tenant.maintenance_windows_absent

  For each that pillar names, and for each that this minion has set and pillar names no more.
#}
{%- if 'dynatrace_tenant.to_take_back' in salt %}
{%- set back = salt['dynatrace_tenant.to_take_back']('maintenance_windows') %}
{%- else %}
{%- set back = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if back['problem'] %}
dynatrace-tenant-maintenance-windows-absent-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ back['problem'] | tojson }}
{%- elif not back['entries'] %}
dynatrace-tenant-maintenance-windows-absent-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: nothing of the kind is in pillar or remembered
{%- else %}
{%- for options in back['entries'] %}
dynatrace-tenant-maintenance-windows-absent-{{ loop.index }}:
  dynatrace_tenant.maintenance_window_absent:
    - name: {{ options['name'] | tojson }}
{%- endfor %}
{%- endif %}
