{#-
  Announces a change that begins now, by a maintenance window that ends by itself.

  Triggered by   dynatrace.orch.planned_change, which gives dynatrace:change as pillar.
  Changes        a maintenance window in Dynatrace.
  By hand        salt master01 state.apply dynatrace.tenant.planned_change \
                   pillar='{"dynatrace": {"change": {"name": "patches",
                            "hosts": ["HOST-5FD609AD6757BE7D"], "minutes": 20} } }'
  Undone by      dynatrace.tenant.planned_change_absent
#}
{%- set change = salt['pillar.get']('dynatrace:change', {}) %}
dynatrace-tenant-planned-change-dynatrace-tenant-planned-change-present:
  dynatrace_tenant.planned_change_present:
    - name: {{ change.get('name', '') | tojson }}
    - hosts: {{ change.get('hosts', []) | tojson }}
    - minutes: {{ change.get('minutes', 30) | tojson }}
    - suppression: {{ change.get('suppression', 'DONT_DETECT_PROBLEMS') | tojson }}
