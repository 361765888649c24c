"""What exists: datasets, fits, models, tables and pages. No I/O, no framework."""
