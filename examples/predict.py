"""Predict the label of each image, as `dlcli predict` does, from Python."""

from dlcli.engines import predict
from dlcli.specs.predict import PredictConfig

result = predict.run(PredictConfig(limit=3))
print(*result.table.columns, sep="\t")
for row in result.table.rows:
    print(*row, sep="\t")
