{#- As reactor/apache2.sls, for a technology that only test_two_masters.py has. #}
{%- if salt['dynatrace.genuine'](data) %}
{%- set order = salt['dynatrace.order'](data, 'NGINX') %}
{%- if order %}
masters-reactor-local-state-apply:
  local.state.apply:
    - tgt: {{ order['minions'] | tojson }}
    - tgt_type: list
    - jid: {{ data['jid'] | tojson }}
    - metadata: {{ order['metadata'] | tojson }}
    - args:
        - mods: masters.counted
        - queue: true
        - pillar: {{ order['pillar'] | tojson }}
{%- endif %}
{%- endif %}
