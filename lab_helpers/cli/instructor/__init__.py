"""The instructor's commands. Never shipped to a notebook instance."""
