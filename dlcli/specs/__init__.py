"""What each command takes (XConfig) and gives (XResult): frozen dataclasses without torch."""
