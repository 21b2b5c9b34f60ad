"""Files, locks, records, tables, registries and errors: no torch, numpy or pandas."""
