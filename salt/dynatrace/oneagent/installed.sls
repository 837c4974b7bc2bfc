#!yaml
# Makes sure that a OneAgent is installed, after its installer's signature has been verified.
#
# By hand        salt web01 state.apply dynatrace.oneagent.installed

dynatrace-oneagent-installed-dynatrace-oneagent-installed:
  dynatrace_oneagent.installed
