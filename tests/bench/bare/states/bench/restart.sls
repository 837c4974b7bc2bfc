{#- The shortest state that restarts apache2: the other side of bench_heal.py. #}
bench-restart-module-run-service-restart:
  module.run:
    - service.restart:
        - name: apache2
