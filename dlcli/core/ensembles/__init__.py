"""Combination rules, diversity, and several networks trained as one."""
