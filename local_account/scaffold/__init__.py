"""Write the beginning of a new operation: its first failing test, its method, and what it needs of IAM.

For authors, from a checkout:

    python -m local_account.scaffold operation codebuild ListCuratedEnvironmentImages
"""
