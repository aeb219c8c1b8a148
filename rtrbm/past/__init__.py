"""Conditioners, which make an RBM's biases from its past. Nothing here knows about chains."""
