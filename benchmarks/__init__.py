"""`make bench`: what the workshop costs in time and memory on this machine."""
