"""Import the functions the way Lambda does: from the directory that `train-model-pipeline.yml` packages."""

import sys

from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "cfn" / "functions"))
