"""The only code that talks to Redis; `keys` lists everything that is stored there."""
