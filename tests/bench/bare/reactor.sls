{#- The bare path of bench_heal.py: whatever the hook receives restarts apache2, unasked and unproved. #}
bench-bare-local-state-apply:
  local.state.apply:
    - tgt: web01
    - args:
        - mods: bench.restart
