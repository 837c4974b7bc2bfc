{#-
  Starts the remedy that the catalogue has for what Dynatrace saw fail.

  Triggered by   dynatrace/problem/open/* and dynatrace/problem/retry/*, as master.d/reactor.conf maps
                 them; this file is read anew at each event.
  Changes        nothing on the master; runs dynatrace.remedy on these minions, once an attempt.
  By hand        salt-run state.orchestrate dynatrace.orch.heal \
                   pillar='{"minion": "web01", "service": "nginx"}'

  To heal another service, add a line to `dynatrace_remedies` in the master's configuration, and leave
  this file as it is. The engine says in the event which remedy of the catalogue fits; `order` gives its
  settings to the minion. An event without a remedy, and one that asks for no action, gives nothing.

  Why it is written so, and how to write one of your own: reactor/apache2.sls.
#}
{%- if salt['dynatrace.genuine'](data) %}
{%- set order = salt['dynatrace.order'](data) %}
{%- if order %}
dynatrace-reactor-remedy-local-state-apply:
  local.state.apply:
    - tgt: {{ order['minions'] | tojson }}
    - tgt_type: list
    - jid: {{ data['jid'] | tojson }}
    - metadata: {{ order['metadata'] | tojson }}
    - args:
        - mods: dynatrace.remedy
        - queue: true
        - pillar: {{ order['pillar'] | tojson }}
{%- endif %}
{%- endif %}
