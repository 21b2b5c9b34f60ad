"""Options (XConfig) and results (XResult) of each command: frozen dataclasses without torch."""
