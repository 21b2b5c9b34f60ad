"""A recorded forward pass (`trace`), the skip connections on it (`skips`), and changes to single calls (`rewire`)."""
