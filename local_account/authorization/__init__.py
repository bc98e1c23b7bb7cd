"""IAM in front of every request: what a role's credentials may do, and what its policies would say.

Contract: IAM User Guide, "Policy evaluation logic"; Service Authorization Reference for the actions and
resources of each request. The account's own credentials may do everything.
"""
