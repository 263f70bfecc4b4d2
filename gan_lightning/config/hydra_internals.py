"""The private parts of Hydra that this package uses, imported in this module only: check it when Hydra is upgraded."""

from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, IConfigRepository
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser

__all__ = [
    "BasicSweeper",
    "CachingConfigRepository",
    "Callbacks",
    "ConfigLoaderImpl",
    "Hydra",
    "IConfigRepository",
    "create_config_search_path",
    "get_args_parser",
]
