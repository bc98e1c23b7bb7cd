"""Tools for the instructor of a class. Never shipped to a notebook instance."""
