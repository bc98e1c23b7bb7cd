"""What S3 says over HTTP beyond its operations: signatures, checksums, chunks, forms, ranges, conditions."""
