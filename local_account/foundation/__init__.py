"""What a service of the local account stands on: state, tasks, processes, containers, configuration."""
