"""Schemas of what comes in and goes out; `openapi.yaml` is exported from them."""
