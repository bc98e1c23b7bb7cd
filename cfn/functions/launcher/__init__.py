"""The Train action of the pipeline: starts the training job that a learner's trainingjob.zip describes."""
