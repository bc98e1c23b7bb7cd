"""The model server beside its peers: real ones, each an image of its own, under the same load."""
