"""dlcli: a command-line toolkit for deep learning that is also a Python library.

It answers questions about your own models and data: how easily a classifier is fooled, whether a training trick helps,
where a network fails and why it may not train, which rows of a table are duplicates. Figures carry 95% intervals, and
comparisons are paired.

Every command `dlcli NAME` is a function `dlcli.engines.NAME.run`. It takes a configuration from `dlcli.specs.NAME`, whose
fields are the options of the command, and returns a dataclass of plain numbers. It prints nothing and raises the exceptions
of `dlcli.support.errors`, which derive from ValueError, OSError and the like.

    from dlcli.engines import attack
    from dlcli.specs.attack import AttackConfig

    result = attack.run(AttackConfig(method="fgsm", eps=(0.1,), limit=200))
    print(result.headline.adversarial)  # an accuracy with its interval

    from dlcli.engines import dedupe
    from dlcli.specs.dedupe import DedupeConfig

    result = dedupe.run(DedupeConfig(table="questions"))  # bundled data; or the path of a table
    print(result.groups, result.largest[0].canonical_text)

The commands are train, eval, predict, ensemble, attack, probe_gradients, convert_2d_to_3d and dedupe.
`help(dlcli.specs.attack.AttackConfig)` lists the fields of a configuration; `dlcli attack --help` describes them.

A network can also be attacked directly, without a configuration:

    from dlcli.core.attacks import load_attack

    adversarial = load_attack("pgd")(model, x, y, eps=0.03)  # x in [0, 1], of shape (n, channels, height, width)

The same seed gives the same weights on an NVIDIA GPU only with CUBLAS_WORKSPACE_CONFIG=:4096:8 in the environment before torch
first uses the GPU. The commands set it; in Python, set it yourself, or training reports that matrix products may differ.

`dlcli.core` holds what the commands are built from, such as attacks, surgery on networks, metrics and intervals.
"""

__all__ = ["__version__"]

__version__ = "0.2.0"
"""Version of the package, as `dlcli --version` prints it."""
