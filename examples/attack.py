"""Measure adversarial robustness, and whether an ensemble improves it: `dlcli attack` from Python."""

from dlcli.engines import attack
from dlcli.specs.attack import AttackConfig

result = attack.run(AttackConfig(method="fgsm", eps=(0.1, 0.2), ensemble="max", members=3, epochs=5, limit=200))
for row in result.rows:
    print(f"eps {row.eps:.2f}  {row.classifier:16} {row.threat:15} clean {row.clean}  adversarial {row.adversarial}")
for note in result.notes:
    print(note)
