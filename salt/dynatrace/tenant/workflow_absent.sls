{#-
  Takes back what dynatrace.tenant.workflow has made and changed.

  Triggered by   dynatrace.tenant.absent.
  Changes        deletes the workflow, its entry in the credential vault, and the host that was added for it.
  By hand        salt master01 state.apply dynatrace.tenant.workflow_absent test=True
                 salt master01 state.apply dynatrace.tenant.workflow_absent

  For each that pillar names, and for each that this minion has set and pillar names no more.
#}
{%- if 'dynatrace_tenant.to_take_back' in salt %}
{%- set back = salt['dynatrace_tenant.to_take_back']('workflow') %}
{%- else %}
{%- set back = {'problem': 'This minion lacks modules; run: saltutil.sync_all'} %}
{%- endif %}
{%- if back['problem'] %}
dynatrace-tenant-workflow-absent-test-fail-without-changes:
  test.fail_without_changes:
    - comment: {{ back['problem'] | tojson }}
{%- elif not back['entries'] %}
dynatrace-tenant-workflow-absent-test-succeed-without-changes:
  test.succeed_without_changes:
    - comment: nothing of the kind is in pillar or remembered
{%- else %}
{%- for options in back['entries'] %}
dynatrace-tenant-workflow-absent-{{ loop.index }}:
  dynatrace_tenant.workflow_absent:
    - name: {{ options['name'] | tojson }}
{%- endfor %}
{%- endif %}
