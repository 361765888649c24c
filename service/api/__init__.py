"""HTTP: requests are translated at this edge, decided in the use cases."""
