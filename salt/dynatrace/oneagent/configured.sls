#!yaml
# Brings a OneAgent, installed by whomever, to what pillar says.
#
# By hand        salt web01 state.apply dynatrace.oneagent.configured

include:
  - .installed

dynatrace-oneagent-configured-dynatrace-oneagent-managed:
  dynatrace_oneagent.managed:
    - require:
        - sls: dynatrace.oneagent.installed
