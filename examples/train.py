"""Does a change help, or was it a lucky seed? The same as `dlcli train --versus`, from Python."""

from dlcli.engines import train
from dlcli.specs.train import TrainConfig

result = train.run(TrainConfig(epochs=3, label_smoothing=0.1, versus="--label-smoothing 0", seeds=3))
for row in result.rows:
    print(f"{row.variant:22} seed {row.seed}  test accuracy {row.accuracy}  after {row.epochs} epochs")
for found in result.comparisons:
    print(f"{found.metric}: {found.first:.3f} against {found.second:.3f}, difference {found.difference}: {found.verdict}")
