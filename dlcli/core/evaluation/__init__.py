"""Metrics, calibration, slices, diagnosis of errors, summaries of networks, and receptive fields."""
