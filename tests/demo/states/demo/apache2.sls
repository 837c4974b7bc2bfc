{#-
  What the demo runs on its minion first: apache2, installed and serving.
  By hand   salt web01 state.apply demo.apache2
#}
{%- set installed = salt['cmd.has_exec']('/usr/sbin/apache2') %}

demo-apache2-pkg-installed:
  pkg.installed:
    - name: apache2
    # A fresh machine has no package lists.
    - refresh: {{ (not installed) | tojson }}
    - install_recommends: false

# Not service.running, which does nothing where PID 1 is no systemd, as in a container.
demo-apache2-module-run-service-start:
  module.run:
    - service.start:
        - name: apache2
    - unless: service apache2 status
    - require:
        - pkg: demo-apache2-pkg-installed
