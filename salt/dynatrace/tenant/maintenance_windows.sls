{#-
  Keeps maintenance windows in Dynatrace.

  Triggered by   dynatrace.tenant.
  Changes        the maintenance windows that are named in pillar, and no others.
  By hand        salt master01 state.apply dynatrace.tenant.maintenance_windows test=True
                 salt master01 state.apply dynatrace.tenant.maintenance_windows
  Undone by      dynatrace.tenant.maintenance_windows_absent

  One state for each entry of dynatrace:tenant:maintenance_windows.
  What pillar holds is only ever a value: each goes through `tojson`. Tokens are not among them; the
  modules of the state read those themselves.
#}
{%- if 'dynatrace_tenant.asked' in salt %}
{%- set asked = salt['dynatrace_tenant.asked']('maintenance_windows') %}
{%- else %}
{%- set asked = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if asked['problem'] %}
dynatrace-tenant-maintenance-windows-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ asked['problem'] | tojson }}
{%- elif not asked['entries'] %}
dynatrace-tenant-maintenance-windows-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: dynatrace:tenant:maintenance_windows is not set, so it is left alone
{%- else %}
{%- for options in asked['entries'] %}
dynatrace-tenant-maintenance-windows-{{ loop.index }}:
  dynatrace_tenant.maintenance_window_present:
{%- for key, value in options.items() %}
    - {{ key | tojson }}: {{ value | tojson }}
{%- endfor %}
{%- endfor %}
{%- endif %}
