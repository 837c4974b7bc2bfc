#!yaml
# Brings back whatever the order says, and proves that it serves.
#
# Triggered by   reactor/remedy.sls, with the attempt as pillar: its `remedy` has the name and the settings that
#                the master's catalogue `dynatrace_remedies` has for it.
# Changes        what the remedy says: starts or restarts a service, restarts a container, or runs an SLS of
#                the site's own. What serves, and what is not known to be down, is left alone.
# By hand        salt web01 state.apply dynatrace.remedy \
#                  pillar='{"dynatrace_remedy": {"name": "nginx", "settings": {"service": "nginx"} } }'
#
# salt/_states/dynatrace.py explains the settings; a site's own values for a minion go into its pillar,
# `dynatrace:lookup:<name>`, and win.
#
# It is YAML without a template, one file and one state, as remedy/apache2.sls says.

dynatrace-remedy-dynatrace-healed:
  dynatrace.healed:
    - name: ordered
    - ordered: true
