"""The plan of `benchmarks/gpu.py`: agreement first, then speed; the seconds add up to 220."""

from . import attack_speed, ceilings, engine_checks, image_checks, memory, stacked_speed, texts, training_checks, training_speed
from .schedule import Section

# The attacks come last, since the CPU takes longest for them.
_EVALUATION = (*image_checks.PARTS, *engine_checks.PARTS, *texts.AGREEMENT, image_checks.verdicts_agree)

SECTIONS = (
    Section("ceilings", 10, ceilings.PARTS),
    Section("training", 30, training_checks.PARTS, checks=True),
    Section("evaluation", 35, _EVALUATION, checks=True),
    Section("memory", 20, memory.PARTS, checks=True),
    Section("attack speed", 55, attack_speed.PARTS),
    Section("stacked speed", 30, stacked_speed.PARTS),
    Section("training speed", 25, training_speed.PARTS),
    Section("text speed", 15, texts.SPEED),
)

CHECKS = tuple(part for section in SECTIONS if section.checks for part in section.parts)
"""The parts that compare, which `tests/device` runs as well."""
