"""The commands, one module each.

`python -m` searches the current folder first, where a stranger may have left a torch.py: it is removed from the search path
unless this package was found there.
"""

import sys
from pathlib import Path

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[2]:
    del sys.path[0]
