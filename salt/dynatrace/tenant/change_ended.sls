{#-
  Ends the maintenance window that dynatrace.tenant.change_announced has opened.

  Triggered by   dynatrace.orch.planned_change, which gives dynatrace:change as pillar.
  Changes        the end of that window in Dynatrace.
  By hand        salt master01 state.apply dynatrace.tenant.change_ended \
                   pillar='{"dynatrace": {"change": {"name": "patches"} } }'
#}
{%- set change = salt['pillar.get']('dynatrace:change', {}) %}
dynatrace-tenant-change-ended-dynatrace-tenant-change-ended:
  dynatrace_tenant.change_ended:
    - name: {{ change.get('name', '') | tojson }}
