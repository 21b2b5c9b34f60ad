"""HTML pages, their tables and their figures."""
