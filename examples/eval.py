"""How good is a network, and what should be done next? The same as `dlcli eval --diagnose`, from Python."""

from dlcli.engines import eval as evaluation
from dlcli.specs.eval import EvalConfig

result = evaluation.run(EvalConfig(diagnose=True, human_error=0.005))
for metric in result.metrics:
    print(f"{metric.name:10} {metric.estimate}")
for gap in result.diagnosis.gaps:
    print(gap)
