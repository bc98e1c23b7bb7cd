"""One folder for each AWS service, named as boto3 names it; `service.py` is its API."""
