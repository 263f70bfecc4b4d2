"""What this package uses of Hydra's private modules, all in this file: an upgrade of Hydra is checked here."""

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser

__all__ = ["BasicSweeper", "Callbacks", "ConfigLoaderImpl", "Hydra", "create_config_search_path", "get_args_parser"]
