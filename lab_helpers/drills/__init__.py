"""Drills: break a lab on purpose, see who notices, and put it back.

`conduct` starts a drill, looks at it and ends it, for a learner in notebook 09 and for an instructor with
`fleet drill`. Each drill is a module of its own, `catalog` has them all. What a drill needs is below
`drills/` in the lab's bucket: it trains with a zip and with data of its own, and leaves the learner's alone.
"""
