"""Amazon S3: buckets and objects on the disk of this machine."""
