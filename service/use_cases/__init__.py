"""What the service does, in its own words: no Flask, no Redis, no file formats."""
