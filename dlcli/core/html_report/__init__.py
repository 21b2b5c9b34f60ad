"""html_report."""
