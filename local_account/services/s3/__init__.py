"""Amazon S3: objects in files, what is known about them in SQLite."""

from local_account.services.s3.service import S3

__all__ = ["S3"]
