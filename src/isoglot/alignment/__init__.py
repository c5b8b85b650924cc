"""Alignment: methods that make a model rank by meaning, their training, and the guard over what they lose."""
