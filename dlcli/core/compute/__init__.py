"""Devices, precision, random numbers, forward passes in batches, loading, and worker processes."""
