{#-
  The remedy of test_two_masters.py: leaves a line for each time that it really runs, with the problem and the
  attempt. It does not look whether there is something to heal: only the attempt keeps it from running twice.
#}
{%- set attempt = pillar['dynatrace_attempt'] %}
masters-counted-dynatrace-attempt-taken:
  dynatrace.attempt_taken:
    - name: counted

masters-counted-cmd-run:
  cmd.run:
    - name: {{ ("echo " ~ attempt['display_id'] ~ " " ~ attempt['id'] ~ " >> " ~ salt['config.get']('masters_runs')) | tojson }}
    - require:
        - dynatrace: masters-counted-dynatrace-attempt-taken
    - onchanges:
        - dynatrace: masters-counted-dynatrace-attempt-taken

masters-counted-dynatrace-attempt-finished:
  dynatrace.attempt_finished:
    - name: counted
    - require:
        - cmd: masters-counted-cmd-run
    - onchanges:
        - dynatrace: masters-counted-dynatrace-attempt-taken
