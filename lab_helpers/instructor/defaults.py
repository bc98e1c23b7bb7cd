"""What labs are made of unless an instructor says otherwise: the defaults of templates and notebooks.

tests/lab_helpers/test_facts.py compares them.
"""

from lab_helpers import instance_types

NOTEBOOK_TYPE = instance_types.NOTEBOOK
NOTEBOOK_GIGABYTES = 20
TRAINING_TYPE = instance_types.TRAINING
CHECK_TYPE = instance_types.CHECK
DEV_TYPE = instance_types.DEV
PRD_TYPE = instance_types.PRD
