"""Formats of sequences: each module has `DESCRIPTION`, `PRECEDENCE`, `claims(spec)` and `read(spec, options)`."""
