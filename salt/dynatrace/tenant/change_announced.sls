{#-
  Announces a change that begins now, by a maintenance window that ends by itself.

  Triggered by   dynatrace.orch.planned_change, which gives dynatrace:change as pillar.
  Changes        a maintenance window in Dynatrace.
  By hand        salt master01 state.apply dynatrace.tenant.change_announced \
                   pillar='{"dynatrace": {"change": {"name": "patches",
                            "hosts": ["HOST-5FD609AD6757BE7D"], "minutes": 20} } }'
  Undone by      dynatrace.tenant.change_ended
#}
{%- set change = salt['pillar.get']('dynatrace:change', {}) %}
dynatrace-tenant-change-announced-dynatrace-tenant-change-announced:
  dynatrace_tenant.change_announced:
    - name: {{ change.get('name', '') | tojson }}
    - hosts: {{ change.get('hosts', []) | tojson }}
    - minutes: {{ change.get('minutes', 30) | tojson }}
    - suppression: {{ change.get('suppression', 'DONT_DETECT_PROBLEMS') | tojson }}
