"""Bring a lab to the start of a notebook, whatever state it is in."""
