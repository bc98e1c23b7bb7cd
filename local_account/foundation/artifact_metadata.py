"""S3 metadata that CodePipeline writes beside an artefact, and CodeBuild reads."""

REVISION = "codepipeline-artifact-revision-id"
"""The commit id or object version that the artefact was made from."""
PIPELINE = "codepipeline-pipeline-name"
"""The pipeline that the artefact belongs to."""
