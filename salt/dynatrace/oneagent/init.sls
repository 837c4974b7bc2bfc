#!yaml
# Installs the OneAgent of Dynatrace and brings it to what pillar says.
#
# Triggered by   nothing; it belongs into a highstate, or is applied by dynatrace.orch.setup.
# Changes        installs or upgrades the OneAgent, sets its host group, network zone, tags and
#                properties, restarts the agent when one of them changed, and refreshes the grains.
# By hand        salt web01 state.apply dynatrace.oneagent
#                salt web01 state.apply dynatrace.oneagent test=True
# Undone by      dynatrace.oneagent.absent
#
# pillar.example explains every key. It is YAML without a template: what a pillar holds, the token
# among it, is never part of it.

include:
  - .installed
  - .configured
