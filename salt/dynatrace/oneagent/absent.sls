#!yaml
# Uninstalls the OneAgent and removes what dynatrace.oneagent keeps about it.
#
# Changes        runs Dynatrace's uninstaller, removes the record of what was set, refreshes the
#                grains. Logs and the host's identity stay, unless dynatrace:oneagent:purge is true.
# By hand        salt web01 state.apply dynatrace.oneagent.absent

dynatrace-oneagent-absent-dynatrace-oneagent-absent:
  dynatrace_oneagent.absent
