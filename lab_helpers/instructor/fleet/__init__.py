"""The labs of a class: the roster, provisioning, and the progress of each lab."""
