"""Configuration: composition with Hydra, validation, and instantiation of the objects that a config names."""
