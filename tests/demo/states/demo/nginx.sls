{#-
  What the demo runs on its minion first: nginx, installed and serving.
  By hand   salt web01 state.apply demo.nginx
#}
{%- set installed = salt['cmd.has_exec']('/usr/sbin/nginx') %}

demo-nginx-pkg-installed:
  pkg.installed:
    - name: nginx
    # A fresh machine has no package lists.
    - refresh: {{ (not installed) | tojson }}
    - install_recommends: false

# Not service.running, which does nothing where PID 1 is no systemd, as in a container.
demo-nginx-module-run-service-start:
  module.run:
    - service.start:
        - name: nginx
    - unless: service nginx status
    - require:
        - pkg: demo-nginx-pkg-installed
