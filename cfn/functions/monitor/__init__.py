"""Judges ended training jobs by their evaluation and answers the TrainApproval action of the pipeline."""
