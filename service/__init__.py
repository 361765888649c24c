"""The service around `gmm_engine`: datasets, fits and models over HTTP.

Layers, top to bottom: `api` and `worker` translate, `use_cases` decide, `ports` say
what is needed from outside, `domain` and `errors` say what exists and what can go
wrong. `storage`, `rendering` and `tables` implement the ports; `bootstrap` wires.
"""
