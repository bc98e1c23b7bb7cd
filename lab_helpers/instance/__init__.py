"""What runs on the notebook instance beside Jupyter; started by `lifecycle-config/`."""
