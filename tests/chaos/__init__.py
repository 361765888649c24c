"""The service under random faults: `python -m tests.chaos --minutes 3 --seed 1`."""
