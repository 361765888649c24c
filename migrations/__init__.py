"""Numbered changes of what is stored in Redis; `runner` brings a store up to date.

A migration is a module `m<number>_<what it does>` with a number, a title, and the
function `changes`, which reads the store and yields the commands that are still
missing. It must be

- lazy: it reads with SCAN, so that any number of keys fits in memory;
- idempotent: for what is converted already it yields nothing, so that it may run twice
  and go on after a crash;
- content to read: only the runner writes, so that a dry run is the same code.

To add one, write the module and append it to `MIGRATIONS` in `runner`.
"""
