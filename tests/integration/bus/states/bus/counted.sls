{#- The remedy of test_bus.py: leaves a line for each time that it really runs, and takes a moment. #}
bus-counted-cmd-run:
  cmd.run:
    - name: {{ ("sleep 0.3; echo " ~ pillar['dynatrace_attempt']['id'] ~ " >> " ~ salt['config.get']('bus_runs')) | tojson }}
