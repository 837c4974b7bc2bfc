{#-
  Starts the remedy for apache2 on the minions where Dynatrace saw it down.

  Triggered by   dynatrace/problem/open/availability/* and dynatrace/problem/retry/availability/*,
                 as master.d/reactor.conf maps them; this file is read anew at each event.
  Changes        nothing on the master; runs dynatrace.remedy.apache2 on these minions, once an attempt.
  By hand        salt web01 state.apply dynatrace.remedy.apache2

  To heal another service, copy this file (nginx.sls), and change three things: the ID of the
  reaction, the technology (NGINX, TOMCAT, as the event's `technologies` spells it) and `mods`.
  Then map the copy beside this one. Keep the rest:

  * `genuine` comes first: any minion can put any event on the master's bus. What the engine
    did not sign, what is too old, and what was forwarded from another master gives nothing.
  * `order` names the minions where this technology is down, and the attempt as pillar; it is
    nothing when the event asks for no action.
  * every value goes through `tojson`: bare, a title with a line break would add keys to the
    reaction. (The engine has replaced what `tojson` writes and YAML cannot read, such as emojis.)
  * `tgt_type: list`: a list holds names only, so none of them is ever read as a pattern.
  * `jid` is the event's: by it the engine finds the outcome, and a minion runs one job id once. So
    a second reactor on the same event must not use it.
  * no `saltenv`: each minion looks in the environment of its own configuration, else in base.
  * `queue: True`: a remedy waits for a running state instead of failing beside it.
#}
{%- if salt['dynatrace.genuine'](data) %}
{%- set order = salt['dynatrace.order'](data, 'APACHE_HTTPD') %}
{%- if order %}
dynatrace-reactor-apache2-local-state-apply:
  local.state.apply:
    - tgt: {{ order['minions'] | tojson }}
    - tgt_type: list
    - jid: {{ data['jid'] | tojson }}
    - metadata: {{ order['metadata'] | tojson }}
    - args:
        - mods: dynatrace.remedy.apache2
        - queue: true
        - pillar: {{ order['pillar'] | tojson }}
{%- endif %}
{%- endif %}
