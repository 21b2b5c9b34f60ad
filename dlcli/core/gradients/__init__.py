"""Gradients along paths of inputs, signals by layer, lesions, and lengths of paths through residual blocks."""
