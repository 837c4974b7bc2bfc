{#-
  Lets Dynatrace open a problem when a systemd unit of a remedy is inactive or failed.

  Triggered by   dynatrace.tenant.
  Changes        policies of OS services in Dynatrace, one a remedy: "Salt: <remedy>".
  By hand        salt master01 state.apply dynatrace.tenant.os_services test=True
                 salt master01 state.apply dynatrace.tenant.os_services
  Undone by      dynatrace.tenant.os_services_absent

  One state for each entry of dynatrace:tenant:os_services. Without that key the units are those of
  the catalogue dynatrace_remedies, where the master does it or dynatrace.orch.setup hands them on.
  What pillar holds is only ever a value: each goes through `tojson`. Tokens are not among them; the
  modules of the state read those themselves.
#}
{%- if 'dynatrace_tenant.asked' in salt %}
{%- set asked = salt['dynatrace_tenant.asked']('os_services') %}
{%- else %}
{%- set asked = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if asked['problem'] %}
dynatrace-tenant-os-services-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ asked['problem'] | tojson }}
{%- elif not asked['entries'] %}
dynatrace-tenant-os-services-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: no unit is named by dynatrace:tenant:os_services or a catalogue, so nothing is done
{%- else %}
{%- for options in asked['entries'] %}
dynatrace-tenant-os-services-{{ loop.index }}:
  dynatrace_tenant.os_services_present:
{%- for key, value in options.items() %}
    - {{ key | tojson }}: {{ value | tojson }}
{%- endfor %}
{%- endfor %}
{%- endif %}
