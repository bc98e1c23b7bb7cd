"""The project's tests. A package, because one of the requirements installs another `tests`."""
