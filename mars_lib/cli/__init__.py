"""The command `mars`."""

import importlib.util

# The command is installed with the package, what it imports only with an extra. Said here, before
# any of it is imported, where a traceback would not say what to do.
for _package in ("typer", "lightning_fabric", "filelock", "matplotlib"):
    if importlib.util.find_spec(_package) is None:
        raise SystemExit(f"mars: needs {_package}; pip install 'mars-lib[cli]'")
