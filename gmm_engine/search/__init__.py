"""Where EM starts: many short runs on few rows, the best of them on more."""
