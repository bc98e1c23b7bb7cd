"""What runs on the notebook instance besides Jupyter; `lifecycle-config/` starts it."""
