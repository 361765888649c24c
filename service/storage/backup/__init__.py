"""Backups: `file` is their form, `reading` fills one, `restoring` brings it back."""
