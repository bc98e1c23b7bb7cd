"""Tools for an instructor with a room full of labs. Never shipped to a notebook instance."""
