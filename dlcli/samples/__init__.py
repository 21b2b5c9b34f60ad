"""Embedded data, written for dlcli."""
