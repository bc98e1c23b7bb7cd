"""moto behind the gateway: the services it serves, its snapshots, and the changes made inside it."""
