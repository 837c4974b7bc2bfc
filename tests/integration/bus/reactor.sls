{#- As reactor/apache2.sls, for a technology that only test_bus.py has. #}
{%- if salt['dynatrace.genuine'](data) %}
{%- set order = salt['dynatrace.order'](data, 'NGINX') %}
{%- if order %}
bus-reactor-local-state-apply:
  local.state.apply:
    - tgt: {{ order['minions'] | tojson }}
    - tgt_type: list
    - jid: {{ data['jid'] | tojson }}
    - metadata: {{ order['metadata'] | tojson }}
    - args:
        - mods: bus.counted
        - queue: true
        - pillar: {{ order['pillar'] | tojson }}
{%- endif %}
{%- endif %}
