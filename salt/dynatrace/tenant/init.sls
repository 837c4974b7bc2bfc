#!yaml
# Sets up the alerting of the Dynatrace environment for this project's engine, as pillar says.
#
# Triggered by   nothing; it is applied by hand, or by dynatrace.orch.setup, to one minion that
#                reaches the environment.
# Changes        alerting profile and notification, or a workflow where the tenant has none of these;
#                availability alerting of process groups, policies of OS services and maintenance
#                windows, of the kind that the tenant has; on the minion only the record of what there
#                was. The comments say what was chosen, and why.
# By hand        salt master01 state.apply dynatrace.tenant test=True
#                salt master01 state.apply dynatrace.tenant
# Undone by      dynatrace.tenant.absent
#
# pillar.example explains every key below dynatrace:tenant; what is not there is left alone.

include:
  - .webhook
  - .workflow
  - .process_alerting
  - .os_services
  - .maintenance_windows
