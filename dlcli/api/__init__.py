"""The functions of `import dlcli`: the engines, with networks and data that a program holds."""
