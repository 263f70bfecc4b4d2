"""GAN experiments on PyTorch Lightning: any model × loss × data, composed by Hydra, read in TensorBoard."""

import contextlib as _contextlib
import os as _os

if _os.path.exists("matplotlibrc"):  # noqa: PTH110 - pathlib is imported by nothing else here
    # Matplotlib reads its settings from the current folder first, which may be a stranger's, and import what they name
    with _contextlib.chdir(_os.sep):
        import matplotlib as _matplotlib  # noqa: F401
