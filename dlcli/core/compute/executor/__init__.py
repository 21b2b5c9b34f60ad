"""Where the independent jobs of a command run: in processes of this machine, or on the nodes of a Ray cluster.

Results do not depend on where: a job is a pure function of what is pickled with it, every job has the same number of threads,
and results come back to the process that asked, which alone writes. `run_jobs` is the one way in.
"""

from dlcli.core.compute.executor.jobs import Cluster as Cluster
from dlcli.core.compute.executor.jobs import run_jobs as run_jobs
