"""What each `gmm` command does; `service.__main__` reads the command line."""
