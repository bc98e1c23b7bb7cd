"""Starts the training job that a learner's trainingjob.zip describes: the Train action of the pipeline."""
