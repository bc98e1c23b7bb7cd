"""A room full of labs: who takes part, provision them all, see how far each is."""
