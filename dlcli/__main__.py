"""`python -m dlcli` is the `dlcli` command."""

from dlcli.cli.app import main

if __name__ == "__main__":
    main()
