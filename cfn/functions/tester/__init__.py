"""The TestDev action of the pipeline: tests what DEV serves, and writes the evidence for DeployApproval."""
