"""The part `drift`: how well and how fast drift is found, beside other libraries for it."""
