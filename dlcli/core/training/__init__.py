"""How networks are trained: recipe, loop, early stopping and augmentation."""
