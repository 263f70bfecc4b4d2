"""From a command line to checked objects: composition by Hydra, validation, instantiation."""
