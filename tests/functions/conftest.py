"""The functions are imported as Lambda does: from the directory that `train-model-pipeline.yml` packages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "cfn" / "functions"))
