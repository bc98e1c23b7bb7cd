"""What labs are made of unless an instructor says otherwise: the defaults of templates and notebooks.

tests/lab_helpers/test_facts.py compares them.
"""

NOTEBOOK_TYPE = "ml.t3.medium"
NOTEBOOK_GIGABYTES = 20
TRAINING_TYPE = "ml.m5.large"
DEV_TYPE = "ml.t2.medium"
PRD_TYPE = "ml.m5.large"
