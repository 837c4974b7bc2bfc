#!yaml
# Sets up the alerting of the Dynatrace environment for this project's engine, as pillar says.
#
# Triggered by   nothing; it is applied by hand, or by dynatrace.orch.setup, to one minion that
#                reaches the environment.
# Changes        alerting profile, notification, availability alerting of process groups,
#                policies of OS services and maintenance windows in Dynatrace; on the minion only the
#                record of what there was.
# By hand        salt master01 state.apply dynatrace.tenant test=True
#                salt master01 state.apply dynatrace.tenant
# Undone by      dynatrace.tenant.absent
#
# pillar.example explains every key below dynatrace:tenant; what is not there is left alone.

include:
  - .webhook
  - .process_alerting
  - .os_services
  - .maintenance_windows
