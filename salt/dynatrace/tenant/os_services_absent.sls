{#-
  Takes back what dynatrace.tenant.os_services has made and changed.

  Triggered by   dynatrace.tenant.absent.
  Changes        deletes the policies of OS services, or puts back what was there before.
  By hand        salt master01 state.apply dynatrace.tenant.os_services_absent test=True
                 salt master01 state.apply dynatrace.tenant.os_services_absent

  For each that pillar or the catalogue names, and for each that this minion has set and nobody names any more.
#}
{%- if 'dynatrace_tenant.to_take_back' in salt %}
{%- set back = salt['dynatrace_tenant.to_take_back']('os_services') %}
{%- else %}
{%- set back = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if back['problem'] %}
dynatrace-tenant-os-services-absent-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ back['problem'] | tojson }}
{%- elif not back['entries'] %}
dynatrace-tenant-os-services-absent-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: nothing of the kind is in pillar, catalogue or memory
{%- else %}
{%- for options in back['entries'] %}
dynatrace-tenant-os-services-absent-{{ loop.index }}:
  dynatrace_tenant.os_services_absent:
    - name: {{ options['name'] | tojson }}
{%- endfor %}
{%- endif %}
