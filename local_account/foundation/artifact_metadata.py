"""S3 metadata that CodePipeline writes with an artifact, and CodeBuild reads."""

REVISION = "codepipeline-artifact-revision-id"
"""The commit id or object version that the artifact was made from."""
PIPELINE = "codepipeline-pipeline-name"
"""The pipeline that the artifact belongs to."""
