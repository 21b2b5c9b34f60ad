"""The kinds of logs; see `dlcli.core.run_log`."""
