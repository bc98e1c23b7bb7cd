"""HTTP in front of the services: connections, botocore's protocols, the base class of a service."""
