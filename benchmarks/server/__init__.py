"""The model server beside its peers: real ones, each in its own image, under the same load."""
