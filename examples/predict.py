"""What does a network say of each image? The same as `dlcli predict`, from Python."""

from dlcli.engines import predict
from dlcli.specs.predict import PredictConfig

result = predict.run(PredictConfig(limit=3))
print(*result.table.columns, sep="\t")
for row in result.table.rows:
    print(*row, sep="\t")
