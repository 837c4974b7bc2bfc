#!yaml
# Takes back what dynatrace.tenant has made and changed in the Dynatrace environment.
#
# Changes        deletes what these states made, puts back what they changed and nobody has changed
#                since; what a person made stays.
# By hand        salt master01 state.apply dynatrace.tenant.absent test=True
#                salt master01 state.apply dynatrace.tenant.absent

include:
  - .maintenance_windows_absent
  - .os_services_absent
  - .process_alerting_absent
  - .workflow_absent
  - .webhook_absent
