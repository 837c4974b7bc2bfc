{#-
  Ends the maintenance window that dynatrace.tenant.planned_change has opened.

  Triggered by   dynatrace.orch.planned_change, which gives dynatrace:change as pillar.
  Changes        the end of that window in Dynatrace.
  By hand        salt master01 state.apply dynatrace.tenant.planned_change_absent \
                   pillar='{"dynatrace": {"change": {"name": "patches"} } }'
#}
{%- set change = salt['pillar.get']('dynatrace:change', {}) %}
dynatrace-tenant-planned-change-absent-dynatrace-tenant-planned-change-absent:
  dynatrace_tenant.planned_change_absent:
    - name: {{ change.get('name', '') | tojson }}
