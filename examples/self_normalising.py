"""Which means and variances can a scaled ELU keep? Solves the fixed-point equations for some, and prints a Markdown table.

python examples/self_normalising.py
"""

from dlcli.core.layers.selu import solve_fixed_point
from dlcli.support.errors import UsageError

POINTS = ((0, 1), (0, 4), (0, 0.25), (0, 100), (0.5, 1), (1, 1), (-1, 1))


def row(mean: float, variance: float) -> tuple[str, ...]:
    """Mean, variance, alpha, lambda and the spectral radius of the map's Jacobian at the point, or that there is none."""
    try:
        found = solve_fixed_point(mean, variance)
    except UsageError:
        return f"{mean:g}", f"{variance:g}", "none", "", ""
    return f"{mean:g}", f"{variance:g}", f"{found.alpha:.4f}", f"{found.lam:.4f}", f"{found.radius:.3f}"


def main() -> None:
    """Print the table."""
    head = ("mean", "variance", "alpha", "lambda", "spectral radius")
    for cells in (head, ("---",) * len(head), *(row(*point) for point in POINTS)):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
