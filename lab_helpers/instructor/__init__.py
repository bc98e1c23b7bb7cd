"""What an instructor needs for a room full of labs. Never shipped to a notebook instance."""
