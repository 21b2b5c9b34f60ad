"""Files, locks, records, tables, registries and errors; imports no torch, numpy or pandas."""
