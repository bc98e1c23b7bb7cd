"""Judges finished training jobs by their evaluation and answers the pipeline's TrainApproval action."""
