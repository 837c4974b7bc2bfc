#!yaml
# Brings a dead apache2 back and proves that it serves.
#
# Triggered by   reactor/apache2.sls, with the attempt as pillar; without an attempt it just runs.
# Changes        starts the service when it is down and restarts it when it is known to be stuck, if
#                its configuration is valid; ends its orphaned processes and removes its stale pid
#                file. What serves, and what is not known to be down, is left alone.
# By hand        salt web01 state.apply dynatrace.remedy.apache2
#                salt web01 state.apply dynatrace.remedy.apache2 test=True
#
# salt/_states/dynatrace.py explains the settings. A site's own values go into pillar and win;
# without a `url` apache2 is asked where it listens, and every answer of its own counts:
#
#   dynatrace:
#     lookup:
#       apache2:
#         url: https://127.0.0.1:8443/health
#         ports: [8443]
#
# It is YAML without a template: nothing in it can be changed by what an event or a pillar holds,
# and nothing has to be compiled while the service is down. It is one file and one state, because
# each one more makes the outage longer.

dynatrace-remedy-apache2-dynatrace-healed:
  dynatrace.healed:
    - name: apache2
    # Its process is asked where it listens: every answer of HTTP is its own.
    - proof: http
    # By these, orphaned processes are found, and who else holds a port.
    - ports: [80, 443]
    - os_family:
        Debian:
          service: apache2
          executable: /usr/sbin/apache2
          pid_file: /run/apache2/apache2.pid
          config: /etc/apache2/apache2.conf
          logs: [/var/log/apache2/error.log]
          configtest: [/usr/sbin/apache2ctl, configtest]
        RedHat:
          service: httpd
          executable: /usr/sbin/httpd
          pid_file: /run/httpd/httpd.pid
          config: /etc/httpd/conf/httpd.conf
          logs: [/var/log/httpd/error_log]
          configtest: [/usr/sbin/httpd, -t]
