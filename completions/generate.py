"""Write the completion scripts for bash, zsh and fish, as `dlcli` itself prints them."""

import os
import subprocess
import sys
from pathlib import Path

for shell in ("bash", "zsh", "fish"):
    environment = {**os.environ, "_DLCLI_COMPLETE": f"source_{shell}"}
    done = subprocess.run([sys.executable, "-m", "dlcli"], env=environment, capture_output=True, check=True)
    Path(__file__).with_name(f"dlcli.{shell}").write_bytes(done.stdout)
