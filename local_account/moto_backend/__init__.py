"""moto behind the gateway: the services that it serves, its snapshots, and what is changed inside."""
