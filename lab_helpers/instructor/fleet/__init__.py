"""A room full of labs: the roster, provisioning, and the progress of each lab."""
