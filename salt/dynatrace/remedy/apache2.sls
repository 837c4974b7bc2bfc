#!yaml
# Brings a dead apache2 back and proves that it serves.
#
# Triggered by   reactor/apache2.sls, with the attempt as pillar; without an attempt it just runs.
# Changes        restarts the service if it does not answer and its configuration is valid; ends
#                its orphaned processes and removes its stale pid file. A service that answers is
#                left alone.
# By hand        salt web01 state.apply dynatrace.remedy.apache2
#                salt web01 state.apply dynatrace.remedy.apache2 test=True
#
# What differs between systems is data, under `settings`, which salt/_states/dynatrace.py explains;
# a site's own values go into pillar and win:
#
#   dynatrace:
#     lookup:
#       apache2:
#         url: https://127.0.0.1:8443/health
#         ports: [8443]
#
# It is YAML without a template: nothing in it can be changed by what an event or a pillar holds,
# and nothing has to be compiled while the service is down. It is one file, because each one more
# that a minion has to fetch makes the outage longer.

# An attempt runs once on a minion, whoever asks and however often.
dynatrace-remedy-apache2-dynatrace-attempt-taken:
  dynatrace.attempt_taken:
    - name: apache2

# Somebody may have healed it already: what serves is not restarted.
dynatrace-remedy-apache2-dynatrace-found-not-serving:
  dynatrace.found_not_serving:
    - name: apache2
    - settings: &apache2
        # What is asked, before anything is done and as the proof afterwards.
        url: http://127.0.0.1/
        # Host header of that request, for a site that answers to its name only.
        host: null
        # Statuses that count as an answer; empty: every one below 500.
        statuses: []
        # Seconds for one request, and until the proof must have succeeded.
        timeout: 2
        deadline: 30
        # By these, orphaned processes are found, and who else holds a port.
        ports: [80]
        os_family:
          Debian:
            service: apache2
            executable: /usr/sbin/apache2
            pid_file: /run/apache2/apache2.pid
            configtest: [/usr/sbin/apache2ctl, configtest]
          RedHat:
            service: httpd
            executable: /usr/sbin/httpd
            pid_file: /run/httpd/httpd.pid
            configtest: [/usr/sbin/httpd, -t]
    - require:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-attempt-taken
    - onchanges:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-attempt-taken

# Before anything is stopped: a broken configuration would not start again.
dynatrace-remedy-apache2-dynatrace-configuration-tested:
  dynatrace.configuration_tested:
    - name: apache2
    - settings: *apache2
    - require:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-found-not-serving
    - onchanges:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-found-not-serving

dynatrace-remedy-apache2-dynatrace-restarted:
  dynatrace.restarted:
    - name: apache2
    - settings: *apache2
    - require:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-configuration-tested
    - onchanges:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-found-not-serving

# A process that runs is no proof; an answer from it is.
dynatrace-remedy-apache2-dynatrace-answers:
  dynatrace.answers:
    - name: apache2
    - settings: *apache2
    - require:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-restarted
    - onchanges:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-found-not-serving

# Reached only when nothing failed. An attempt that is taken and not finished has failed.
dynatrace-remedy-apache2-dynatrace-attempt-finished:
  dynatrace.attempt_finished:
    - name: apache2
    - require:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-answers
    - onchanges:
        - dynatrace: dynatrace-remedy-apache2-dynatrace-attempt-taken
