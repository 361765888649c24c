"""How many requests the API answers: `python -m benchmarks.http` writes the table.

The server runs on one core, the client and the store on another.
"""
