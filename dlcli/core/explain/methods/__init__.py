"""One module per method: `explain(model, x, target, settings) -> Maps`."""
